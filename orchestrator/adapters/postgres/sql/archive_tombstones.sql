-- Why: a tombstone for each run that is in the log as the file has it; the others stay as they are.
INSERT INTO dalsegno.archived_run AS t (
    run_id, workflow, workflow_version, status, version, digest, started_at, updated_at, archive
)
SELECT r.run_id, r.workflow, r.workflow_version, r.status, r.version, moved.digest, r.started_at,
    r.updated_at, %(name)s
FROM unnest(%(run_ids)b, %(run_versions)b, %(run_digests)b) AS moved (run_id, version, digest)
JOIN dalsegno.run_index AS r ON r.run_id = moved.run_id AND r.version = moved.version
WHERE NOT r.is_open
ON CONFLICT (run_id) DO UPDATE SET
    archive = excluded.archive, archived_at = clock_timestamp(), restored_at = NULL
RETURNING run_id
