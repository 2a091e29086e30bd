-- Why: followers read the whole log by position.
SELECT originator_id, originator_version, topic, state, notification_id
FROM dalsegno.events
WHERE notification_id > %(after)s
ORDER BY notification_id
LIMIT %(limit)s
