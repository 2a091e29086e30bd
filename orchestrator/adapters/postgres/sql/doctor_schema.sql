-- Why: how far the schema has been migrated, and how many shards the log has.
SELECT (SELECT max(number) FROM dalsegno.migration), (SELECT max(shards) FROM dalsegno.log)
