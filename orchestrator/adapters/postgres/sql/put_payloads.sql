-- Why: the same bytes may come again, from a decision that was made again or from another run; then
-- they are as young as that, so that nobody takes them for left over (once an hour is enough). In
-- order of hash, so that two writers of the same ones do not wait for each other in a circle.
INSERT INTO dalsegno.payloads AS p (hash, data)
SELECT DISTINCT ON (one.hash) one.hash, one.data FROM unnest(%(hashes)b::text[], %(datas)b::bytea[]) AS one (hash, data)
ORDER BY one.hash
ON CONFLICT (hash) DO UPDATE SET stored_at = clock_timestamp()
WHERE p.stored_at < clock_timestamp() - interval '1 hour'
