-- Why: a list for operators; empty name: of all. `held`: whether somebody reads by the database's clock.
SELECT name, position, filter, owner, epoch, expires_at > clock_timestamp() AS held,
    (extract(epoch FROM created_at) * 1000000)::bigint,
    (extract(epoch FROM updated_at) * 1000000)::bigint
FROM dalsegno.subscription
WHERE name = %(name)s OR %(name)s = ''
ORDER BY name
