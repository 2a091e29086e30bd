-- Why: a benchmark says what the backends that append wait for.
SELECT coalesce(state, ''), coalesce(wait_event_type, ''), coalesce(wait_event, '')
FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND pg_catalog.starts_with(query, %(append)s)
