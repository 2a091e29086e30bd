-- Why: what snapshots there are, without their states; of the bytes only the beginning is read, which
-- says what they are.
SELECT stream, version, kind, digest, fingerprint,
    (extract(epoch FROM taken_at) * 1000000)::bigint AS taken_at,
    octet_length(state)::bigint AS stored_bytes,
    encode(checksum, 'hex') AS checksum,
    substring(state FROM 1 FOR %(head_bytes)s::integer) AS head,
    reason, actor, metadata
FROM dalsegno.all_snapshots
WHERE stream BETWEEN %(first_stream)s AND %(last_stream)s
    AND (stream, version, kind) > (%(after_stream)s, %(after_version)s, %(after_kind)s)
ORDER BY stream, version, kind
LIMIT %(limit)s
