-- Why: which log this is, and how its runs are hashed to shards.
SELECT name, shards FROM dalsegno.log
