-- Why: the key of a subject, that is still there or was the last one.
SELECT id, subject, erased_at IS NOT NULL AS erased FROM dalsegno.data_key
WHERE subject = %(subject)s ORDER BY sealed IS NULL, made_at DESC LIMIT 1
