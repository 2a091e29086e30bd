-- Why: events that were decided elsewhere, as they were stored there, with the row of their batch. Under
-- the ordering lock, which the transaction took before: so positions commit in order.
WITH stored AS (
    INSERT INTO dalsegno.events (originator_id, originator_version, topic, state)
    SELECT e.stream, e.version, e.topic, e.state
    FROM unnest(%(streams)b, %(versions)b, %(topics)b, %(states)b)
        WITH ORDINALITY AS e (stream, version, topic, state, place)
    ORDER BY e.place
    RETURNING notification_id
)
SELECT dalsegno.chain_batch(min(notification_id), max(notification_id), %(digests)b)
FROM stored
HAVING count(*) > 0
