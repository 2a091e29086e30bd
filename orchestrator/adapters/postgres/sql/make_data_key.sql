-- Why: the first run of a subject makes its key; of two at once one does.
INSERT INTO dalsegno.data_key (id, subject, sealed) VALUES (%(id)s, %(subject)s, %(sealed)b)
ON CONFLICT (subject) WHERE sealed IS NOT NULL DO NOTHING
