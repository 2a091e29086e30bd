-- Why: the list of runs, newest first. Only the conditions that are asked for take the place of the
-- mark, so that each combination has a plan of its own.
SELECT run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
       started_at, updated_at, calls, parent
FROM dalsegno.run_index
WHERE {conditions}
ORDER BY started_at DESC, run_id DESC
LIMIT %(limit)s
