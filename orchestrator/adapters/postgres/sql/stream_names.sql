-- Why: an audit goes through all streams; every stream has exactly one first event.
SELECT originator_id
FROM dalsegno.events
WHERE originator_id > %(after)s AND originator_id >= %(prefix)s AND originator_id < %(past)s
    AND originator_version = 1
ORDER BY originator_id
LIMIT %(limit)s
