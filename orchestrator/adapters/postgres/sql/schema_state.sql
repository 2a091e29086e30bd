-- Why: what a database must say before anything else is done with it.
SELECT current_setting('server_encoding') AS encoding,
       current_setting('server_version_num')::int AS server,
       to_regclass('dalsegno.migration') IS NOT NULL AS has_schema
