-- Why: how far programs that follow the log have got, by the names that they gave themselves. It lies
-- beside the log, so that it goes back with it when a backup is restored. `position`: everything up to
-- there is done with, from
-- `began_at` on. `filter`: what is wanted, as JSON. `epoch` grows with each reader and each reset:
-- who has an older one moves nothing any more. Only adds.
CREATE TABLE dalsegno.subscription (
    name text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0),
    began_at bigint NOT NULL CHECK (began_at >= 0),
    filter text NOT NULL,
    owner text NOT NULL DEFAULT '',
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 20);
