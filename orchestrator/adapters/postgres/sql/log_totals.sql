-- Why: a benchmark says how many events share a commit, and what each adds to the write-ahead log.
SELECT (SELECT count(DISTINCT e.xmin::text) FROM dalsegno.events AS e WHERE e.notification_id > %(after)s),
       (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn)::int8
