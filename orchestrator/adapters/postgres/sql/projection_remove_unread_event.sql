-- Why: rows of a generation that nobody asks any more, a bounded number at a time.
DELETE FROM dalsegno.unread_event
WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM dalsegno.unread_event
    WHERE generation = %(generation)s
    ORDER BY generation, position
    LIMIT %(limit)s
))
