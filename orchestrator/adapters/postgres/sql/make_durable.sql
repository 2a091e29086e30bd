-- Why: a commit whose wait for the standby was given up is visible and may yet be lost with this server.
-- What commits after it is answered after it is on the standby too. An empty message is the least that
-- there is to commit; it takes no lock and leaves no row.
SELECT pg_logical_emit_message(true, 'dalsegno', '')
