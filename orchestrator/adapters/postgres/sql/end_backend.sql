-- Why: an append of a lost connection may still wait in its backend. Its start tells it from a later
-- one with the same process id. No row: it is gone already.
SELECT pg_terminate_backend(pid, %(wait_ms)s)
FROM pg_stat_activity
WHERE pid = %(pid)s AND backend_start = %(started_at)s
