-- Why: a page of a long way through an index; with what the server thinks it knows of a table that has
-- just grown it would sort all that is left for each page.
SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_seqscan', 'off', true)
