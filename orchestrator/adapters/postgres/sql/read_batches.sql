-- Why: an audit follows the chain of appends.
SELECT number, first_position, last_position, events, digests, digest, recorded_at, gone
FROM dalsegno.log_batch
WHERE number > %(after)s
ORDER BY number
LIMIT %(limit)s
