-- Why: followers read the whole log by position, and many of them want few of its events. The bytes of
-- the others are not read, and a page has a bound also where hardly any is wanted. `before`: the bytes
-- of the page so far; to ask for the length of a stored value reads nothing of it. The last row is no
-- event: how many were looked at, and the position of the last of them.
WITH looked_at AS MATERIALIZED (
    SELECT originator_id, originator_version, topic, state, notification_id
    FROM dalsegno.events
    WHERE notification_id > %(after)s
    ORDER BY notification_id
    LIMIT %(looks)s
), wanted AS (
    SELECT originator_id, originator_version, topic, state, notification_id,
        sum(octet_length(state)) OVER (ORDER BY notification_id) - octet_length(state) AS before
    FROM looked_at
    WHERE (cardinality(%(types)b) = 0 OR topic LIKE ANY(%(types)b))
        AND (cardinality(%(streams)b) = 0 OR originator_id LIKE ANY(%(streams)b))
), page AS (
    SELECT originator_id, originator_version, topic, state, notification_id
    FROM wanted
    WHERE before < %(bytes)s
    ORDER BY notification_id
    LIMIT %(limit)s
)
SELECT * FROM (
    SELECT originator_id, originator_version, topic, state, notification_id FROM page
    UNION ALL
    SELECT '', count(*), '', ''::bytea, coalesce(max(notification_id), 0) FROM looked_at
) AS rows
ORDER BY originator_id = '', notification_id
