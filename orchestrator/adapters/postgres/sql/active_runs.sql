-- Why: a new owner picks up what has something under way, in pages: attempts, tasks to be placed, and
-- parents of which fewer children are open than they wait for (one has ended, or was never begun).
(
    SELECT run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
           started_at, updated_at, calls, parent
    FROM dalsegno.run_index
    WHERE is_active AND run_id > %(after)s AND shard = ANY(%(shards)b)
    ORDER BY run_id
    LIMIT %(limit)s
) UNION ALL (
    SELECT run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
           started_at, updated_at, calls, parent
    FROM dalsegno.run_index AS p
    WHERE is_calling AND NOT is_active AND run_id > %(after)s AND shard = ANY(%(shards)b)
        AND calls > (
            SELECT count(*) FROM dalsegno.run_index AS c
            WHERE c.parent = p.run_id AND c.parent <> '' AND c.is_open
        )
    ORDER BY run_id
    LIMIT %(limit)s
)
ORDER BY run_id
LIMIT %(limit)s
