-- Why: what the batches say of some events. Of a batch's digests only those asked for are read; events
-- in a batch that a release without digests has appended have none.
SELECT asked.position, substring(
    b.digests FROM ((asked.position - b.first_position) * 16 + 1)::integer FOR 16
)
FROM unnest(%(positions)b) AS asked (position)
CROSS JOIN LATERAL (
    SELECT found.first_position, found.events, found.digests
    FROM dalsegno.log_batch AS found
    WHERE found.last_position >= asked.position
    ORDER BY found.last_position
    LIMIT 1
) AS b
WHERE b.events > 0 AND b.first_position <= asked.position
