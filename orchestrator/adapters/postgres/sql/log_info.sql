-- Why: which log this is, how its runs are hashed to shards, and which of these it has.
SELECT name, shards, map FROM dalsegno.log
