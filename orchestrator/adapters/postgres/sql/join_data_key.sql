-- Why: notes that a run has the key of its subject, which is locked so that it is not erased at the
-- same instant. A run keeps the key that it has.
WITH key AS (
    SELECT id, sealed FROM dalsegno.data_key
    WHERE subject = %(subject)s AND sealed IS NOT NULL AND NOT closing
    FOR SHARE
), joined AS (
    INSERT INTO dalsegno.personal_run (run_id, key_id) SELECT %(run_id)s, id FROM key
    ON CONFLICT (run_id) DO NOTHING
)
SELECT id, sealed FROM key
