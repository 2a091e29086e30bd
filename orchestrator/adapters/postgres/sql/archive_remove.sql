-- Why: events, snapshots and rows of the index of runs that have their tombstones.
WITH automatic AS (
    DELETE FROM dalsegno.snapshots WHERE stream = ANY(%(streams)b)
), kept AS (
    DELETE FROM dalsegno.kept_snapshots WHERE stream = ANY(%(streams)b)
), indexed AS (
    DELETE FROM dalsegno.run_index WHERE run_id = ANY(%(run_ids)b)
)
DELETE FROM dalsegno.events WHERE originator_id = ANY(%(streams)b) RETURNING notification_id
