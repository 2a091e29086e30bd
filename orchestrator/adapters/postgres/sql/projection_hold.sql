-- Why: one projector works; the lock goes with its connection.
SELECT pg_try_advisory_lock(%(lock)s)
