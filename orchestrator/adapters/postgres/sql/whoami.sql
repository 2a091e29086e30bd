-- Why: to be able to end this very backend from another connection.
SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
