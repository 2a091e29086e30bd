-- Why: after a refusal or a lost connection, which places of the batch are taken, and by whom: an event
-- with the same bytes (they contain the event id) is the batch's own.
SELECT b.stream, e.state = b.state AS own, e.notification_id
FROM unnest(%(streams)b, %(versions)b, %(states)b) AS b (stream, version, state)
JOIN dalsegno.events AS e
    ON e.originator_id = b.stream AND e.originator_version = b.version
