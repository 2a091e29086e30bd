-- Why: a snapshot may be taken again at the same version, by a newer schema of the state.
INSERT INTO dalsegno.snapshots AS s (stream, version, digest, fingerprint, checksum, state)
VALUES (%(stream)s, %(version)s, %(digest)s, %(fingerprint)s, %(checksum)b, %(state)b)
ON CONFLICT (stream, version) DO UPDATE SET
    digest = excluded.digest, fingerprint = excluded.fingerprint, checksum = excluded.checksum,
    state = excluded.state, taken_at = clock_timestamp()
