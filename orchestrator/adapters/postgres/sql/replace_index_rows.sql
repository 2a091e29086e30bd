-- Why: mends rows from a fold of the log, but only where the fold has seen the stream's last event:
-- a run that went on meanwhile has a newer row from its own append.
INSERT INTO dalsegno.run_index AS r (
    run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
    started_at, updated_at, calls, parent
)
SELECT i.* FROM unnest(
    %(run_ids)b, %(run_shards)b, %(workflows)b, %(workflow_versions)b, %(statuses)b,
    %(run_versions)b, %(next_due_ats)b, %(outstandings)b, %(readies)b, %(started_ats)b,
    %(updated_ats)b, %(calls)b, %(parents)b
) AS i (
    run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
    started_at, updated_at, calls, parent
)
WHERE i.version = (
    SELECT max(e.originator_version) FROM dalsegno.events AS e WHERE e.originator_id = 'run:' || i.run_id
)
ON CONFLICT (run_id) DO UPDATE SET
    shard = excluded.shard, workflow = excluded.workflow,
    workflow_version = excluded.workflow_version, status = excluded.status,
    version = excluded.version, next_due_at = excluded.next_due_at,
    outstanding = excluded.outstanding, ready = excluded.ready,
    started_at = excluded.started_at, updated_at = excluded.updated_at,
    calls = excluded.calls, parent = excluded.parent
RETURNING r.run_id
