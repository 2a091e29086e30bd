-- Why: nobody follows under this name any more.
DELETE FROM dalsegno.subscription WHERE name = %(name)s RETURNING name
