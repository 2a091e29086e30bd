-- Why: it is in the log again, and not to be moved at once. False when it was not moved.
UPDATE dalsegno.archived_run SET restored_at = clock_timestamp()
WHERE run_id = %(run_id)s AND restored_at IS NULL
RETURNING run_id
