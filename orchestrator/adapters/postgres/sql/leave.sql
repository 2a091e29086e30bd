-- Why: the others need not wait until we are taken for gone.
DELETE FROM dalsegno.coordinator WHERE name = %(name)s
