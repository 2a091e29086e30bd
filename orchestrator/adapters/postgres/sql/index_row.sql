-- Why: one run's row, by its id.
SELECT run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
       started_at, updated_at, calls, parent
FROM dalsegno.run_index
WHERE run_id = %(run_id)s
