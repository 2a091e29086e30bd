-- Why: while it is being erased no run gets it; and if it is not erased after all they do again.
UPDATE dalsegno.data_key SET closing = %(closing)s WHERE id = %(id)s AND sealed IS NOT NULL
