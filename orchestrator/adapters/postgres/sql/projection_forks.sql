-- Why: the forks of a run, oldest first, by their labels: nobody looks through a log for them.
SELECT l.run_id, l.value, l.started_at, coalesce(r.status, '')
FROM dalsegno.run_label AS l
LEFT JOIN dalsegno.run_index AS r ON r.run_id = l.run_id
WHERE l.generation = (SELECT generation FROM dalsegno.projection WHERE state = 'serving')
    AND l.kind = 'fork' AND l.name = %(run_id)s
ORDER BY l.started_at, l.run_id
LIMIT %(limit)s
