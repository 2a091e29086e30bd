-- Why: the newest state at or below a version, where a fold begins. One of each table, the newest of
-- both: the server then reads one row of each index and not all.
SELECT found.* FROM (
    (
        SELECT stream, version, 'automatic' AS kind, digest, fingerprint, checksum, state,
            '' AS reason, '' AS actor, '{}' AS metadata
        FROM dalsegno.snapshots
        WHERE stream = %(stream)s AND version <= %(at_most)s
        ORDER BY version DESC
        LIMIT 1
    )
    UNION ALL
    (
        SELECT stream, version, kind, digest, fingerprint, checksum, state, reason, actor, metadata
        FROM dalsegno.kept_snapshots
        WHERE stream = %(stream)s AND version <= %(at_most)s
        ORDER BY version DESC, kind DESC
        LIMIT 1
    )
) AS found
ORDER BY found.version DESC, found.kind DESC
LIMIT 1
