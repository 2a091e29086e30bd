-- Why: which key stored bytes are sealed with, "" when they are plain; they say it themselves. See
-- events/sealing.py for the form.
CREATE FUNCTION dalsegno.sealed_with(data bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN substring(data FROM 1 FOR 4) = '\x44534b31'::bytea
        THEN convert_from(
            substring(data FROM 6 FOR get_byte(substring(data FROM 5 FOR 1), 0)), 'UTF8'
        )
        ELSE ''
    END
$$;
