-- Why: erasures that are recorded and were not carried out to the end.
SELECT key.id, key.subject FROM dalsegno.data_key AS key
JOIN dalsegno.events AS event
    ON event.originator_id = 'erasure:' || key.id AND event.originator_version = 1
WHERE key.sealed IS NOT NULL
ORDER BY key.id
