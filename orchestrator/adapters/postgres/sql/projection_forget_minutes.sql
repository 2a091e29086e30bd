-- Why: minutes are for looking closely at what was lately; hours stay.
DELETE FROM dalsegno.tally AS t
USING (
    SELECT generation, kind, width_s, bucket_at, workflow, task, node FROM dalsegno.tally
    WHERE generation = %(generation)s AND kind = ANY(ARRAY['run', 'task']) AND width_s = 60
        AND bucket_at < %(before)s
    LIMIT %(limit)s
) AS o
WHERE (t.generation, t.kind, t.width_s, t.bucket_at, t.workflow, t.task, t.node)
    = (o.generation, o.kind, o.width_s, o.bucket_at, o.workflow, o.task, o.node)
