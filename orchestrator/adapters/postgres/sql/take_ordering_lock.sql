-- Why: waits until every append that is under way has committed or failed.
SELECT pg_advisory_xact_lock(%(ordering_lock)s)
