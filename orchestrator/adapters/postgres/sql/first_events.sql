-- Why: runs that began in one way, such as forks of a run: these stand behind its first event.
SELECT originator_id, originator_version, topic, state, notification_id
FROM dalsegno.events
WHERE topic = %(topic)s AND originator_version = 1 AND notification_id > %(after)s
ORDER BY notification_id
LIMIT %(limit)s
