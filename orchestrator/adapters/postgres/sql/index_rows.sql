-- Why: an audit compares every row with the fold of its stream.
SELECT run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
       started_at, updated_at, calls, parent
FROM dalsegno.run_index
WHERE run_id > %(after)s
ORDER BY run_id
LIMIT %(limit)s
