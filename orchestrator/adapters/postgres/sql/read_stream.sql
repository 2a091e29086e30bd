-- Why: rebuilding a run reads its stream in pages.
SELECT originator_id, originator_version, topic, state, notification_id
FROM dalsegno.events
WHERE originator_id = %(stream)s AND originator_version > %(after)s
ORDER BY originator_version
LIMIT %(limit)s
