-- Why: what follows changes these tables while coordinators append. An append takes them in this
-- order; taken in another one, it and we would wait for each other. Readers are not in the way.
LOCK TABLE dalsegno.shard_lease, dalsegno.events, dalsegno.run_index IN SHARE ROW EXCLUSIVE MODE
