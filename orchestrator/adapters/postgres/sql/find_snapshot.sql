-- Why: the snapshot that a person named.
SELECT stream, version, kind, digest, fingerprint, checksum, state, reason, actor, metadata
FROM dalsegno.all_snapshots
WHERE stream = %(stream)s AND version = %(version)s AND kind = %(kind)s
