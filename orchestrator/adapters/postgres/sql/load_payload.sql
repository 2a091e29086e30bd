-- Why: one value by its hash.
SELECT data FROM dalsegno.payloads WHERE hash = %(hash)s
