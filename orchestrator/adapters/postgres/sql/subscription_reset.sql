-- Why: to have events again, or to pass by some. Whoever reads now is replaced: it would move on from
-- where it was.
UPDATE dalsegno.subscription
SET position = %(position)s, began_at = %(position)s, filter = %(filter)s, owner = '', epoch = epoch + 1,
    expires_at = '-infinity', updated_at = clock_timestamp()
WHERE name = %(name)s
RETURNING name
