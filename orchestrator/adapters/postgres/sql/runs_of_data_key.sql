-- Why: the runs of a key with their status, also of those in archives, "" for one that has not begun;
-- and for how many seconds that has been so.
SELECT run.run_id, coalesce(found.status, gone.status, '') AS status,
    extract(epoch FROM clock_timestamp() - run.noted_at)::float8 AS noted_s
FROM dalsegno.personal_run AS run
LEFT JOIN dalsegno.run_index AS found ON found.run_id = run.run_id
LEFT JOIN dalsegno.archived_run AS gone ON gone.run_id = run.run_id
WHERE run.key_id = %(id)s
ORDER BY run.run_id
