-- Why: the first generation serves from its beginning, there is nothing better.
INSERT INTO dalsegno.projection (fold, state)
SELECT %(fold)s, CASE
    WHEN EXISTS (SELECT FROM dalsegno.projection AS p WHERE p.state = 'serving') THEN 'building'
    ELSE 'serving'
END
