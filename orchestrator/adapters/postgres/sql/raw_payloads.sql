-- Why: an archive keeps stored values as they lie here.
SELECT hash, data FROM dalsegno.payloads WHERE hash = ANY(%(hashes)b) ORDER BY hash
