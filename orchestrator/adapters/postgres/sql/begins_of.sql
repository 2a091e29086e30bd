-- Why: what only the first event of a run says, its workflow and tags, of many runs at once.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
FROM unnest(%(streams)b) AS asked (stream)
JOIN dalsegno.events AS e ON e.originator_id = asked.stream AND e.originator_version = 1
