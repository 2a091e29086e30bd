-- Why: the last of a generation, when its rows are gone.
DELETE FROM dalsegno.projection WHERE generation = %(generation)s AND state = 'retired'
