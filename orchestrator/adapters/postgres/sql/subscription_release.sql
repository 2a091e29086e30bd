-- Why: a reader that stops in good order leaves its place at once.
UPDATE dalsegno.subscription SET owner = '', expires_at = '-infinity'
WHERE name = %(name)s AND epoch = %(epoch)s
