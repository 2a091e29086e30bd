-- Why: takes what is free or expired, and our own from before a restart, each with a new epoch. The
-- clock is the database's and is read after the row is locked. In order of shard, as appends lock them.
INSERT INTO dalsegno.shard_lease AS l (shard, epoch, holder, expires_at)
SELECT wanted.shard, 1, %(holder)s, clock_timestamp() + %(ttl)s * interval '1 microsecond'
FROM unnest(%(shards)b) AS wanted (shard)
ORDER BY wanted.shard
ON CONFLICT (shard) DO UPDATE SET
    epoch = l.epoch + 1,
    holder = excluded.holder,
    expires_at = clock_timestamp() + %(ttl)s * interval '1 microsecond'
WHERE l.expires_at <= clock_timestamp() OR l.holder = excluded.holder
RETURNING l.shard, l.epoch
