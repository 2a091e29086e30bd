-- Why: what the events that were read are opened with.
SELECT id, sealed FROM dalsegno.data_key WHERE id = ANY(%(ids)s)
