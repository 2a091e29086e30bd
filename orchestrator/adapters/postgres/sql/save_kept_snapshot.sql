-- Why: a snapshot that somebody took; again at the same version it takes the place of the one before.
-- Recovery snapshots make room among themselves, as automatic ones do; of manual ones none ever goes.
WITH saved AS (
    INSERT INTO dalsegno.kept_snapshots (
        stream, version, kind, digest, fingerprint, checksum, state, reason, actor, metadata
    )
    VALUES (
        %(stream)s, %(version)s, %(kind)s, %(digest)s, %(fingerprint)s, %(checksum)b, %(state)b,
        %(reason)s, %(actor)s, %(metadata)s
    )
    ON CONFLICT (stream, version, kind) DO UPDATE SET
        digest = excluded.digest, fingerprint = excluded.fingerprint, checksum = excluded.checksum,
        state = excluded.state, reason = excluded.reason, actor = excluded.actor,
        metadata = excluded.metadata, taken_at = clock_timestamp()
)
DELETE FROM dalsegno.kept_snapshots
WHERE stream = %(stream)s AND kind = 'recovery' AND kind = %(kind)s AND version <= (
    SELECT older.version FROM dalsegno.kept_snapshots AS older
    WHERE older.stream = %(stream)s AND older.kind = 'recovery' AND older.version < %(version)s
    ORDER BY older.version DESC
    OFFSET %(kept_beside)s LIMIT 1
)
