-- Why: a takeover rebuilds many runs; one statement brings the next page of each.
SELECT w.place, e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
FROM unnest(%(streams)b, %(afters)b) WITH ORDINALITY AS w (stream, after, place)
CROSS JOIN LATERAL (
    SELECT originator_id, originator_version, topic, state, notification_id
    FROM dalsegno.events
    WHERE originator_id = w.stream AND originator_version > w.after
    ORDER BY originator_version
    LIMIT %(limit)s
) AS e
ORDER BY w.place, e.originator_version
