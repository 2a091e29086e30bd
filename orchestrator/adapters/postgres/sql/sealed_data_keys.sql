-- Why: data keys that are not sealed with the current master key.
SELECT id, sealed FROM dalsegno.data_key
WHERE sealed IS NOT NULL AND dalsegno.sealed_with(sealed) <> %(current)s AND id > %(after)s
ORDER BY id LIMIT %(limit)s
