-- Why: a run comes back to its own positions.
INSERT INTO dalsegno.events (originator_id, originator_version, topic, state, notification_id)
SELECT * FROM unnest(%(streams)b, %(versions)b, %(topics)b, %(states)b, %(positions)b)
