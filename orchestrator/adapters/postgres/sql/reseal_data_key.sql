-- Why: the same data key under another master key; unless it was erased meanwhile.
UPDATE dalsegno.data_key SET sealed = %(data)b WHERE id = %(id)s AND sealed = %(old)b
