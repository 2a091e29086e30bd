-- Why: how far the generation that serves is behind: events, and the first of those that are not in it,
-- whose instant says since when.
SELECT p.position, e.last,
       (SELECT n.state FROM dalsegno.events AS n
        WHERE n.notification_id > p.position ORDER BY n.notification_id LIMIT 1),
       (extract(epoch FROM clock_timestamp()) * 1000000)::int8
FROM dalsegno.projection AS p
CROSS JOIN (SELECT coalesce(max(notification_id), 0) AS last FROM dalsegno.events) AS e
WHERE p.generation = %(generation)s
