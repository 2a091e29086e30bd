-- Why: benchmarks count what was done in the log itself, not in the client.
SELECT count(*) FROM dalsegno.events WHERE notification_id > %(after)s AND topic = %(topic)s
