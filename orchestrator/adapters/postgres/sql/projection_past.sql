-- Why: what runs said before the page in which they go on, for a fold that has forgotten them.
SELECT e.notification_id,
       CASE WHEN octet_length(e.state) <= %(large)s THEN e.state END,
       e.originator_id, e.originator_version
FROM unnest(%(streams)b, %(afters)b) AS s (stream, after)
CROSS JOIN LATERAL (
    SELECT o.notification_id, o.state, o.originator_id, o.originator_version
    FROM dalsegno.events AS o
    WHERE o.originator_id = s.stream AND o.originator_version > s.after
        AND o.notification_id <= %(until)s
    ORDER BY o.originator_version
    LIMIT %(limit)s
) AS e
