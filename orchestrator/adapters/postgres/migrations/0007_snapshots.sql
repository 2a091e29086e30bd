-- Why: snapshots that somebody took, beside those that coordinators take. A table of their own, so
-- that a coordinator of the release before, which makes room among its own, never deletes one.
CREATE TABLE dalsegno.kept_snapshots (
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('manual', 'recovery')),
    digest text NOT NULL,
    fingerprint text NOT NULL,
    checksum bytea NOT NULL,
    state bytea NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    metadata text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, version, kind)
);
ALTER TABLE dalsegno.kept_snapshots ALTER COLUMN state SET STORAGE EXTERNAL;

-- Why: both kinds of tables as one, for who reads them.
CREATE VIEW dalsegno.all_snapshots AS
SELECT stream, version, 'automatic' COLLATE "C" AS kind, digest, fingerprint, checksum, state,
    '' AS reason, '' AS actor, '{}' AS metadata, taken_at
FROM dalsegno.snapshots
UNION ALL
SELECT stream, version, kind, digest, fingerprint, checksum, state, reason, actor, metadata, taken_at
FROM dalsegno.kept_snapshots;
