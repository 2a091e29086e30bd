-- Why: what is there already of the tallies that a batch adds to.
SELECT t.kind, t.width_s, t.bucket_at, t.workflow, t.task, t.node, t.tally::text
FROM unnest(%(kinds)b, %(widths)b, %(buckets)b, %(workflows)b, %(tasks)b, %(nodes)b)
    AS k (kind, width_s, bucket_at, workflow, task, node)
CROSS JOIN LATERAL (
    SELECT * FROM dalsegno.tally AS o
    WHERE o.generation = %(generation)s AND o.kind = k.kind AND o.width_s = k.width_s
        AND o.bucket_at = k.bucket_at AND o.workflow = k.workflow AND o.task = k.task
        AND o.node = k.node
) AS t
