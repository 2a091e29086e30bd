-- Why: keys are never exported, so the values of imported personal runs are here as if they were erased;
-- unless the key is here.
INSERT INTO dalsegno.data_key (id, subject, sealed, erased_at)
SELECT k.id, k.subject, NULL, clock_timestamp() FROM unnest(%(ids)b, %(subjects)b) AS k (id, subject)
ON CONFLICT (id) DO NOTHING
