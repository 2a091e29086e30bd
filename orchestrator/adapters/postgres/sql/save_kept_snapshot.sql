-- Why: a snapshot that somebody took; again at the same version it takes the place of the one before.
-- Of recovery snapshots the newest stay, as of automatic ones; of manual ones all, as `kept` is null.
WITH kept AS (
    SELECT version FROM dalsegno.kept_snapshots WHERE stream = %(stream)s AND kind = %(kind)s
    UNION
    SELECT %(version)s
    ORDER BY version DESC
    LIMIT %(kept)s
), saved AS (
    INSERT INTO dalsegno.kept_snapshots (
        stream, version, kind, digest, fingerprint, checksum, state, reason, actor, metadata
    )
    SELECT
        %(stream)s, %(version)s, %(kind)s, %(digest)s, %(fingerprint)s, %(checksum)b, %(state)b,
        %(reason)s, %(actor)s, %(metadata)s
    WHERE %(version)s IN (SELECT version FROM kept)
    ON CONFLICT (stream, version, kind) DO UPDATE SET
        digest = excluded.digest, fingerprint = excluded.fingerprint, checksum = excluded.checksum,
        state = excluded.state, reason = excluded.reason, actor = excluded.actor,
        metadata = excluded.metadata, taken_at = clock_timestamp()
)
DELETE FROM dalsegno.kept_snapshots
WHERE stream = %(stream)s AND kind = %(kind)s AND version < (SELECT min(version) FROM kept)
