-- Why: an audit compares all labels with those of a fresh fold, in pages.
SELECT run_id, kind, name, value, number, started_at FROM dalsegno.run_label
WHERE generation = %(generation)s
    AND (kind, name, value, started_at, run_id)
        > (%(kind)s, %(name)s, %(value)s, %(started_at)s, %(run_id)s)
ORDER BY kind, name, value, started_at, run_id
LIMIT %(limit)s
