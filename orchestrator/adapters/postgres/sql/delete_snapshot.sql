-- Why: a person takes one away, whichever table it is in.
WITH automatic AS (
    DELETE FROM dalsegno.snapshots
    WHERE stream = %(stream)s AND version = %(version)s AND %(kind)s = 'automatic'
    RETURNING 1
), kept AS (
    DELETE FROM dalsegno.kept_snapshots
    WHERE stream = %(stream)s AND version = %(version)s AND kind = %(kind)s
    RETURNING 1
)
SELECT (SELECT count(*) FROM automatic) + (SELECT count(*) FROM kept) AS deleted
