-- Why: two who take shards that nobody ever had meet here, where neither fails, and not in the update.
INSERT INTO dalsegno.shard_lease (shard, epoch, holder, expires_at)
SELECT wanted.shard, 0, '', '-infinity'
FROM unnest(%(shards)b) AS wanted (shard)
ORDER BY wanted.shard
ON CONFLICT DO NOTHING
