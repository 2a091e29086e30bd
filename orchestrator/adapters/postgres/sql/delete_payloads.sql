-- Why: stored values that no event names; not one that was stored again since.
DELETE FROM dalsegno.payloads
WHERE hash = ANY(%(hashes)b)
    AND stored_at < to_timestamp(%(before)s::double precision / 1000000)
RETURNING hash
