-- Why: a durable file is known before the first run is removed.
INSERT INTO dalsegno.archive (name, digest, runs, events)
VALUES (%(name)s, %(digest)s, %(runs)s, %(events)s)
ON CONFLICT (name) DO NOTHING
