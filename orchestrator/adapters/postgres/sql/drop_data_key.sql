-- Why: the erasure. What was derived from the values goes in the same transaction; read models have
-- nothing of them. The lists that only these runs name are told by who asks.
WITH runs AS (
    SELECT run_id FROM dalsegno.personal_run WHERE key_id = %(id)s
), dropped AS (
    UPDATE dalsegno.data_key SET sealed = NULL, erased_at = clock_timestamp()
    WHERE id = %(id)s AND sealed IS NOT NULL
    RETURNING 1
), automatic AS (
    DELETE FROM dalsegno.snapshots WHERE stream IN (SELECT 'run:' || run_id FROM runs) RETURNING 1
), kept AS (
    DELETE FROM dalsegno.kept_snapshots WHERE stream IN (SELECT 'run:' || run_id FROM runs)
    RETURNING 1
), lists AS (
    DELETE FROM dalsegno.payloads WHERE hash = ANY(%(lists)s) RETURNING 1
)
SELECT (SELECT count(*) FROM dropped) AS dropped,
    (SELECT count(*) FROM automatic) + (SELECT count(*) FROM kept) AS snapshots,
    (SELECT count(*) FROM lists) AS lists
