-- Why: the first half of a change of places; the row that is locked here keeps the position.
UPDATE dalsegno.projection AS old SET state = 'retired'
WHERE old.state = 'serving' AND EXISTS (
    SELECT FROM dalsegno.projection AS new
    WHERE new.generation = %(generation)s AND new.state = 'building' AND new.position >= old.position
)
