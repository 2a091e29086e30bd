-- Why: the next owner need not wait for the end of the lease, but is told of it: until then nodes may
-- still begin what this one has allowed them. The epoch stays, to grow at the next.
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
SET holder = ''
FROM ours
WHERE l.shard = ours.shard
