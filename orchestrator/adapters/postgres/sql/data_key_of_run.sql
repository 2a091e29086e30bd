-- Why: what a run that goes on is written with.
SELECT key.id, key.sealed, key.subject, key.erased_at IS NOT NULL AS erased
FROM dalsegno.personal_run AS run JOIN dalsegno.data_key AS key ON key.id = run.key_id
WHERE run.run_id = %(run_id)s
