-- Why: who says that they own which shards.
SELECT holder, shard FROM dalsegno.shard_lease
WHERE expires_at > clock_timestamp() AND holder <> '' ORDER BY holder, shard
