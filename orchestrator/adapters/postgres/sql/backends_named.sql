-- Why: a benchmark tells the backends of one kind of client from others.
SELECT pid FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND application_name = %(name)s
