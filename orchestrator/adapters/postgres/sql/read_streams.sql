-- Why: an audit goes through the events of all runs, one run after the other, in few round trips.
SELECT originator_id, originator_version, topic, state, notification_id
FROM dalsegno.events
WHERE (originator_id, originator_version) > (%(after)s, %(version)s)
    AND originator_id >= %(prefix)s AND originator_id < %(past)s
ORDER BY originator_id, originator_version
LIMIT %(limit)s
