-- Why: where runs end by the index and by what was appended, so that whoever loads one notices that its
-- last events have vanished, or are not what they were; or that it is nobody's to work on here.
SELECT w.place, r.version, substring(
    b.digests FROM ((e.notification_id - b.first_position) * 16 + 1)::integer FOR 16
), r.shard < 0
FROM unnest(%(streams)b) WITH ORDINALITY AS w (stream, place)
JOIN dalsegno.run_index AS r ON r.run_id = substr(w.stream, 5)
LEFT JOIN dalsegno.events AS e ON e.originator_id = w.stream AND e.originator_version = r.version
LEFT JOIN LATERAL (
    SELECT found.first_position, found.digests
    FROM dalsegno.log_batch AS found
    WHERE found.last_position >= e.notification_id
    ORDER BY found.last_position
    LIMIT 1
) AS b ON b.first_position <= e.notification_id AND b.digests <> ''
