-- Why: which events count nowhere, the first of them.
SELECT position, why FROM dalsegno.unread_event
WHERE generation = %(generation)s
ORDER BY position
LIMIT %(limit)s
