-- Why: how far the reader has got, and that it is alive. One that was replaced, or whose position was
-- set anew, finds no row.
UPDATE dalsegno.subscription
SET position = greatest(position, %(position)s),
    updated_at = CASE WHEN %(position)s > position THEN clock_timestamp() ELSE updated_at END,
    expires_at = clock_timestamp() + %(ttl)s * interval '1 microsecond'
WHERE name = %(name)s AND epoch = %(epoch)s
RETURNING epoch
