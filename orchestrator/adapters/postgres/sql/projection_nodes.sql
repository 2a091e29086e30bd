-- Why: nodes as they were at the position from which a fold goes on.
SELECT state::text FROM dalsegno.node_state WHERE generation = %(generation)s ORDER BY node
