-- Why: the same bytes may come again, from a decision that was made again or from another run. In
-- order of hash, so that two writers of the same ones do not wait for each other in a circle.
INSERT INTO dalsegno.payloads (hash, data)
SELECT one.hash, one.data FROM unnest(%(hashes)b::text[], %(datas)b::bytea[]) AS one (hash, data)
ORDER BY one.hash
ON CONFLICT (hash) DO NOTHING
