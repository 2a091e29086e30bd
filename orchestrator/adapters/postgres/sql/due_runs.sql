-- Why: timers fire from here, earliest first, without one open stream.
SELECT run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
       started_at, updated_at, calls, parent
FROM dalsegno.run_index
WHERE is_open AND next_due_at IS NOT NULL AND next_due_at <= %(before)s AND shard = ANY(%(shards)b)
    AND (next_due_at, run_id) > (%(after_at)s, %(after)s)
ORDER BY next_due_at, run_id
LIMIT %(limit)s
