-- Why: nothing of it is left to be removed.
UPDATE dalsegno.archive SET done = true WHERE name = %(name)s
