-- Why: the same values under another key; unless they have gone meanwhile, or are new already.
UPDATE dalsegno.payloads SET data = %(data)b WHERE hash = %(hash)s AND data = %(old)b
