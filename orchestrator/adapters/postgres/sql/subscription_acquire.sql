-- Why: of two processes with one name only one reads; the other takes over when that one is silent.
UPDATE dalsegno.subscription
SET owner = %(owner)s, epoch = epoch + 1,
    expires_at = clock_timestamp() + %(ttl)s * interval '1 microsecond'
WHERE name = %(name)s AND expires_at <= clock_timestamp()
RETURNING epoch, position, filter, began_at
