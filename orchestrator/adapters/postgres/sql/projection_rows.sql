-- Why: a fold reads the whole log by position. Large events come without their bytes, so that a page
-- has a bound; to ask for the length of a stored value reads nothing of it.
SELECT notification_id,
       CASE WHEN octet_length(state) <= %(large)s THEN state END
FROM dalsegno.events
WHERE notification_id > %(after)s
ORDER BY notification_id
LIMIT %(limit)s
