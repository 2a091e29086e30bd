-- Why: what is still ours lasts longer, also if it has expired: nobody has taken it yet.
WITH ours AS MATERIALIZED (
    SELECT l.shard
    FROM dalsegno.shard_lease AS l
    JOIN unnest(%(shards)b, %(epochs)b) AS claimed (shard, epoch)
        ON l.shard = claimed.shard AND l.epoch = claimed.epoch
    WHERE l.holder = %(holder)s
    ORDER BY l.shard
    FOR NO KEY UPDATE OF l
)
UPDATE dalsegno.shard_lease AS l
SET expires_at = clock_timestamp() + %(ttl)s * interval '1 microsecond'
FROM ours
WHERE l.shard = ours.shard
RETURNING l.shard, l.epoch
