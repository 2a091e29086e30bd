-- Why: the newest state of each of many streams, as load_snapshot finds that of one.
SELECT w.place, s.*
FROM unnest(%(streams)b) WITH ORDINALITY AS w (stream, place)
CROSS JOIN LATERAL (
    SELECT found.* FROM (
        (
            SELECT stream, version, 'automatic' AS kind, digest, fingerprint, checksum, state,
                '' AS reason, '' AS actor, '{}' AS metadata
            FROM dalsegno.snapshots
            WHERE stream = w.stream
            ORDER BY version DESC
            LIMIT 1
        )
        UNION ALL
        (
            SELECT stream, version, kind, digest, fingerprint, checksum, state, reason, actor, metadata
            FROM dalsegno.kept_snapshots
            WHERE stream = w.stream
            ORDER BY version DESC, kind DESC
            LIMIT 1
        )
    ) AS found
    ORDER BY found.version DESC, found.kind DESC
    LIMIT 1
) AS s
ORDER BY w.place
