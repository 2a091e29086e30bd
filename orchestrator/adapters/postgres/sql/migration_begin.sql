-- Why: the record of what has been applied, which has to exist before the first migration.
CREATE SCHEMA IF NOT EXISTS dalsegno;
CREATE TABLE IF NOT EXISTS dalsegno.migration (
    number bigint PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
