-- Why: the list of dead letters, the newest first; the topic stands here as in the partial index.
SELECT originator_id, originator_version, topic, state, notification_id
FROM dalsegno.events
WHERE topic = 'task.dead_lettered.v1' AND notification_id < %(before)s
ORDER BY notification_id DESC
LIMIT %(limit)s
