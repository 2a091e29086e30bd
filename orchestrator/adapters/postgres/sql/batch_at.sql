-- Why: a follower that goes on asks whether the log is still the one whose position it has kept.
SELECT number, digest, recorded_at, last_position
FROM dalsegno.log_batch
WHERE last_position >= %(position)s
ORDER BY last_position
LIMIT 1
