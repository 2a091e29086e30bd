-- Why: a snapshot may be taken again at the same version, by a newer schema of the state. What it
-- makes room for is older than itself, so that a newer sound one never goes, whoever comes late.
WITH saved AS (
    INSERT INTO dalsegno.snapshots AS s (stream, version, digest, fingerprint, checksum, state)
    VALUES (%(stream)s, %(version)s, %(digest)s, %(fingerprint)s, %(checksum)b, %(state)b)
    ON CONFLICT (stream, version) DO UPDATE SET
        digest = excluded.digest, fingerprint = excluded.fingerprint, checksum = excluded.checksum,
        state = excluded.state, taken_at = clock_timestamp()
)
DELETE FROM dalsegno.snapshots
WHERE stream = %(stream)s AND version <= (
    SELECT older.version FROM dalsegno.snapshots AS older
    WHERE older.stream = %(stream)s AND older.version < %(version)s
    ORDER BY older.version DESC
    OFFSET %(kept_beside)s LIMIT 1
)
