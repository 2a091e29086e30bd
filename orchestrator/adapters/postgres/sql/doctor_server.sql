-- Why: which server it is, what its clock shows, and how many sessions it has.
SELECT current_setting('server_version') AS version,
       (extract(epoch FROM clock_timestamp()) * 1000000)::int8 AS at,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS sessions
