-- Why: the shards of a cluster may lie in several databases. Each of them knows the whole map, so that
-- nobody who was given another one can write there, or look for something in the wrong place. As JSON:
-- the shards of each log by its name. Empty: this log has all shards.
ALTER TABLE dalsegno.log ADD COLUMN map text NOT NULL DEFAULT '';
