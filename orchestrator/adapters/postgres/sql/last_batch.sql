-- Why: where the chain of appends ends.
SELECT number, first_position, last_position, events, digests, digest, recorded_at, gone
FROM dalsegno.log_batch
ORDER BY number DESC
LIMIT 1
