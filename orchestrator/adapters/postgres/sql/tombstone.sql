-- Why: a run that is not in the log may have been moved.
SELECT run_id, workflow, workflow_version, status, version, digest, started_at, updated_at, archive,
    (extract(epoch FROM archived_at) * 1000000)::bigint
FROM dalsegno.archived_run
WHERE run_id = %(run_id)s AND restored_at IS NULL
