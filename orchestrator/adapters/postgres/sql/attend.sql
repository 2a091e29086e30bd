-- Why: says that we are there and who else is, by one clock; forgets those who are long gone.
WITH gone AS (
    DELETE FROM dalsegno.coordinator
    WHERE expires_at < clock_timestamp() - interval '1 hour' AND name <> %(name)s
), here AS (
    INSERT INTO dalsegno.coordinator AS c (name, expires_at)
    VALUES (%(name)s, clock_timestamp() + %(ttl)s * interval '1 microsecond')
    ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at
    RETURNING c.name
)
SELECT name FROM here
UNION ALL
SELECT c.name FROM dalsegno.coordinator AS c
WHERE c.name <> %(name)s AND c.expires_at > clock_timestamp()
