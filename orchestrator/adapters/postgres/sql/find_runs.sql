-- Why: lists of runs, newest first. Only the conditions that are asked for take the place of the mark,
-- so that each combination has a plan of its own.
SELECT r.run_id, r.shard, r.workflow, r.workflow_version, r.status, r.version, r.next_due_at,
       r.outstanding, r.ready, r.started_at, r.updated_at, r.calls, r.parent
FROM dalsegno.run_index AS r
WHERE {conditions}
ORDER BY r.started_at DESC, r.run_id DESC
LIMIT %(limit)s
