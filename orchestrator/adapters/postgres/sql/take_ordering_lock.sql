-- Why: by itself a barrier, every append that was under way has then committed or failed; in a
-- transaction it keeps further appends waiting.
SELECT pg_advisory_xact_lock(%(ordering_lock)s)
