-- Why: the newest state at or below a version, where a fold begins.
SELECT stream, version, digest, fingerprint, checksum, state
FROM dalsegno.snapshots
WHERE stream = %(stream)s AND version <= %(at_most)s
ORDER BY version DESC
LIMIT 1
