-- Why: values that are too large to stand in an event, under the SHA-256 of their bytes. They are
-- written before the event that names them and never changed.
CREATE TABLE dalsegno.payloads (
    hash text COLLATE "C" PRIMARY KEY,
    data bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
