-- Why: what a batch of events adds and the position that it leads to, in one transaction. If the
-- generation is at another position than the batch began from, nothing is written.
WITH moved AS MATERIALIZED (
    UPDATE dalsegno.projection
    SET position = %(position)s,
        recorded_at = CASE WHEN %(recorded_at)s > 0 THEN %(recorded_at)s ELSE recorded_at END,
        unread = unread + cardinality(%(unread_positions)b)
    WHERE generation = %(generation)s AND position = %(after)s AND state <> 'retired'
    RETURNING generation
), tallied AS (
    INSERT INTO dalsegno.tally (generation, kind, width_s, bucket_at, workflow, task, node, tally)
    SELECT m.generation, t.kind, t.width_s, t.bucket_at, t.workflow, t.task, t.node, t.tally::json
    FROM moved AS m CROSS JOIN unnest(
        %(kinds)b, %(widths)b, %(buckets)b, %(workflows)b, %(tasks)b, %(nodes)b, %(tallies)b
    ) AS t (kind, width_s, bucket_at, workflow, task, node, tally)
    ON CONFLICT (generation, kind, width_s, bucket_at, workflow, task, node)
        DO UPDATE SET tally = excluded.tally
), labelled AS (
    INSERT INTO dalsegno.run_label (generation, run_id, kind, name, value, number, started_at)
    SELECT m.generation, l.run_id, l.kind, l.name, l.value, nullif(l.number, '')::float8, l.started_at
    FROM moved AS m CROSS JOIN unnest(
        %(label_runs)b, %(label_kinds)b, %(label_names)b, %(label_values)b, %(label_numbers)b,
        %(label_ats)b
    ) AS l (run_id, kind, name, value, number, started_at)
    ON CONFLICT DO NOTHING
), noded AS (
    INSERT INTO dalsegno.node_state (generation, node, state)
    SELECT m.generation, n.node, n.state::json
    FROM moved AS m CROSS JOIN unnest(%(state_nodes)b, %(states)b) AS n (node, state)
    ON CONFLICT (generation, node) DO UPDATE SET state = excluded.state
), missed AS (
    INSERT INTO dalsegno.unread_event (generation, position, why)
    SELECT m.generation, u.position, u.why
    FROM moved AS m CROSS JOIN unnest(%(unread_positions)b, %(whys)b) AS u (position, why)
)
SELECT count(*) FROM moved
