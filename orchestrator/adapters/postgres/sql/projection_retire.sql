-- Why: nobody asks this generation any more; its rows are removed piece by piece.
UPDATE dalsegno.projection SET state = 'retired'
WHERE generation = %(generation)s AND state = 'building'
