-- Why: who shares the shards. Whoever attends says until when; the clock is the database's.
CREATE TABLE dalsegno.coordinator (
    name text COLLATE "C" PRIMARY KEY,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
