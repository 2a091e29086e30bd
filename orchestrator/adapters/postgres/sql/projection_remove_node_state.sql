-- Why: rows of a generation that nobody asks any more, a bounded number at a time.
DELETE FROM dalsegno.node_state
WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM dalsegno.node_state
    WHERE generation = %(generation)s
    ORDER BY generation, node
    LIMIT %(limit)s
))
