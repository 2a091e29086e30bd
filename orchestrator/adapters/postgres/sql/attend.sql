-- Why: says that we are there and what we know, and who else is, by one clock; forgets those who are
-- long gone. Who knows less than the log asks for is not among those that share it.
WITH gone AS (
    DELETE FROM dalsegno.coordinator
    WHERE expires_at < clock_timestamp() - interval '1 hour' AND name <> %(name)s
), here AS (
    INSERT INTO dalsegno.coordinator AS c (name, schema, expires_at)
    VALUES (%(name)s, %(schema)s, clock_timestamp() + %(ttl)s * interval '1 microsecond')
    ON CONFLICT (name) DO UPDATE SET schema = excluded.schema, expires_at = excluded.expires_at
    RETURNING c.name, c.schema
), present AS (
    SELECT name, schema FROM here
    UNION ALL
    SELECT c.name, c.schema FROM dalsegno.coordinator AS c
    WHERE c.name <> %(name)s AND c.expires_at > clock_timestamp()
)
SELECT name FROM present WHERE schema >= (SELECT schema_min FROM dalsegno.log)
