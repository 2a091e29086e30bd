-- Why: a subscription is made once, also when two processes try; and there are so many at most.
INSERT INTO dalsegno.subscription (name, position, began_at, filter)
SELECT %(name)s, %(position)s, %(position)s, %(filter)s
WHERE (SELECT count(*) FROM dalsegno.subscription) < %(most)s
ON CONFLICT (name) DO NOTHING
RETURNING name
