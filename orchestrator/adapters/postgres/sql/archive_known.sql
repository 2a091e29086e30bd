-- Why: which files runs were moved to, oldest first.
SELECT name, digest, runs, events, done, (extract(epoch FROM created_at) * 1000000)::bigint
FROM dalsegno.archive
ORDER BY created_at, name
