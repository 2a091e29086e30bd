-- Why: runs that ended long ago and that no open run has started; not those that were imported, nor
-- those that were brought back since then. Goes through the index of runs once, in order.
SELECT r.run_id, r.shard, r.workflow, r.workflow_version, r.status, r.version, r.next_due_at,
    r.outstanding, r.ready, r.started_at, r.updated_at, r.calls, r.parent
FROM dalsegno.run_index AS r
WHERE r.run_id > %(after)s AND NOT r.is_open AND r.updated_at < %(before)s AND r.shard >= 0
    AND (%(workflow)s = '' OR r.workflow = %(workflow)s)
    AND NOT EXISTS (
        SELECT FROM dalsegno.run_index AS p WHERE p.run_id = r.parent AND p.is_open
    )
    AND NOT EXISTS (
        SELECT FROM dalsegno.archived_run AS a
        WHERE a.run_id = r.run_id
            AND a.restored_at >= to_timestamp(%(before)s::double precision / 1000000)
    )
ORDER BY r.run_id
LIMIT %(limit)s
