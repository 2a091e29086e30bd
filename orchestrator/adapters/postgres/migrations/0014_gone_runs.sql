-- Why: which of these runs were moved to an archive, for what is to begin with them or to stand on them.
-- A function, because its statement sees what was committed while the append waited for the ordering
-- lock, which the append's own snapshot does not; `waited` makes the append take the lock first.
CREATE FUNCTION dalsegno.gone_runs(streams text[], waited bigint) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF cardinality(streams) = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT s.stream FROM unnest(streams) AS s (stream)
        JOIN dalsegno.archived_run AS a ON a.run_id = substr(s.stream, 5)
        WHERE a.restored_at IS NULL;
END
$$;
