-- Why: the second half; nothing when the first one did nothing.
UPDATE dalsegno.projection SET state = 'serving'
WHERE generation = %(generation)s AND state = 'building'
    AND NOT EXISTS (SELECT FROM dalsegno.projection AS p WHERE p.state = 'serving')
RETURNING generation
