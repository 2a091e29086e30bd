-- Why: the same of runs with a tag or search attribute: its rows are in the same order, and lead to the
-- few runs that have it, whatever the number of others.
SELECT r.run_id, r.shard, r.workflow, r.workflow_version, r.status, r.version, r.next_due_at,
       r.outstanding, r.ready, r.started_at, r.updated_at, r.calls, r.parent
FROM dalsegno.run_label AS l
JOIN dalsegno.run_index AS r ON r.run_id = l.run_id
WHERE l.generation = (SELECT generation FROM dalsegno.projection WHERE state = 'serving')
    AND {label} AND {conditions}
ORDER BY l.started_at DESC, l.run_id DESC
LIMIT %(limit)s
