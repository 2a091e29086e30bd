-- Why: a new owner picks up what has something under way, in pages.
SELECT run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
       started_at, updated_at
FROM dalsegno.run_index
WHERE is_active AND run_id > %(after)s AND shard = ANY(%(shards)b)
ORDER BY run_id
LIMIT %(limit)s
