-- Why: a new owner ends the child runs that no step has any more: their parent was ended, or has taken
-- another way, at once, and whoever did it was killed before it could end them.
SELECT c.run_id, c.shard, c.workflow, c.workflow_version, c.status, c.version, c.next_due_at, c.outstanding,
       c.ready, c.started_at, c.updated_at, c.calls, c.parent
FROM dalsegno.run_index AS c
JOIN dalsegno.run_index AS p ON p.run_id = c.parent
WHERE c.is_open AND c.parent <> '' AND c.shard = ANY(%(shards)b)
    AND (
        NOT p.is_open
        OR p.calls < (
            SELECT count(*) FROM dalsegno.run_index AS o
            WHERE o.parent = p.run_id AND o.parent <> '' AND o.is_open
        )
    )
LIMIT %(limit)s
