-- Why: a follower that only wants what is new begins here.
SELECT coalesce(max(notification_id), 0) FROM dalsegno.events
