-- Why: the tallies of a stretch of time, which are then added up.
SELECT kind, width_s, bucket_at, workflow, task, node, tally::text
FROM dalsegno.tally
WHERE generation = %(generation)s AND kind = %(kind)s AND width_s = %(width_s)s
    AND bucket_at >= %(since)s AND bucket_at < %(until)s
    AND (%(workflow)s = '' OR workflow = %(workflow)s)
