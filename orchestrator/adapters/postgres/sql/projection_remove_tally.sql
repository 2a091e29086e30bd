-- Why: rows of a generation that nobody asks any more, a bounded number at a time.
DELETE FROM dalsegno.tally
WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM dalsegno.tally
    WHERE generation = %(generation)s
    ORDER BY generation, kind
    LIMIT %(limit)s
))
