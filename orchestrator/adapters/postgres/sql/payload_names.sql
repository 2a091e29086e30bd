-- Why: which stored values there are that are old enough to be of nobody who is yet to name them.
SELECT hash, octet_length(data)::bigint FROM dalsegno.payloads
WHERE hash > %(after)s AND stored_at < to_timestamp(%(before)s::double precision / 1000000)
ORDER BY hash
LIMIT %(limit)s
