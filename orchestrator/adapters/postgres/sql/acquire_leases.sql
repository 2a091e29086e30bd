-- Why: takes what is free or expired, and our own from before a restart, each with a new epoch. The
-- clock is the database's; a row that somebody has changed while we waited for it is judged anew. In
-- order of shard, as appends lock them, and as many as asked for. Says first what this release knows:
-- the table refuses those who know too little. An epoch is at least the time of its beginning in seconds:
-- so none comes twice either in a log that was restored from a backup, where the last ones are unknown.
WITH said AS MATERIALIZED (
    SELECT set_config('dalsegno.schema', %(schema)s, true)
), free AS MATERIALIZED (
    SELECT l.shard, greatest(l.expires_at, clock_timestamp()) AS expires_at
    FROM dalsegno.shard_lease AS l
    JOIN unnest(%(shards)b) AS wanted (shard) ON l.shard = wanted.shard
    WHERE (SELECT count(*) FROM said) = 1
        AND (l.expires_at <= clock_timestamp() OR l.holder IN ('', %(holder)s))
    ORDER BY l.shard
    LIMIT %(most)s
    FOR UPDATE OF l
)
UPDATE dalsegno.shard_lease AS l
SET epoch = greatest(l.epoch + 1, floor(extract(epoch FROM clock_timestamp()))::bigint),
    holder = %(holder)s,
    expires_at = clock_timestamp() + %(ttl)s * interval '1 microsecond'
FROM free
WHERE l.shard = free.shard
RETURNING l.shard, l.epoch,
          greatest(0, extract(epoch FROM free.expires_at - clock_timestamp()))::double precision
