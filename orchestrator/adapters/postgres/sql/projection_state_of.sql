-- Why: one large event by itself.
SELECT state FROM dalsegno.events WHERE notification_id = %(position)s
