-- Why: a row of a run that has no events answers for something that never happened.
DELETE FROM dalsegno.run_index AS r
WHERE NOT EXISTS (
    SELECT FROM dalsegno.events AS e
    WHERE e.originator_id = 'run:' || r.run_id AND e.originator_version = 1
)
RETURNING r.run_id
