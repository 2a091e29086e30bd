-- Why: stored lists that are not sealed with the current key, in pages.
SELECT hash, data FROM dalsegno.payloads
WHERE hash > %(after)s AND dalsegno.sealed_with(data) <> %(current)s
ORDER BY hash
LIMIT %(limit)s
