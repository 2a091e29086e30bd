-- Why: a snapshot may be taken again at the same version, by a newer schema of the state. The newest of
-- the stream stay, in whatever order they come: one that comes after enough newer ones is not written.
-- Two at the same moment do not see each other; what is then too much goes with the next.
WITH kept AS (
    SELECT version FROM dalsegno.snapshots WHERE stream = %(stream)s
    UNION
    SELECT %(version)s
    ORDER BY version DESC
    LIMIT %(kept)s
), saved AS (
    INSERT INTO dalsegno.snapshots AS s (stream, version, digest, fingerprint, checksum, state)
    SELECT %(stream)s, %(version)s, %(digest)s, %(fingerprint)s, %(checksum)b, %(state)b
    WHERE %(version)s IN (SELECT version FROM kept)
    ON CONFLICT (stream, version) DO UPDATE SET
        digest = excluded.digest, fingerprint = excluded.fingerprint, checksum = excluded.checksum,
        state = excluded.state, taken_at = clock_timestamp()
)
DELETE FROM dalsegno.snapshots
WHERE stream = %(stream)s AND version < (SELECT min(version) FROM kept)
