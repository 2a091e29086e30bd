-- Why: the batches that some positions are in, to mark there which of their events are gone.
SELECT DISTINCT b.number, b.first_position, b.last_position, b.events, b.gone
FROM unnest(%(positions)b) AS asked (position)
CROSS JOIN LATERAL (
    SELECT found.number, found.first_position, found.last_position, found.events, found.gone
    FROM dalsegno.log_batch AS found
    WHERE found.last_position >= asked.position
    ORDER BY found.last_position
    LIMIT 1
) AS b
WHERE b.events > 0 AND b.first_position <= asked.position
