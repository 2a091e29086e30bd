-- Why: everything that a batch changes becomes durable in one round trip, or nothing does.
-- gate: the ordering lock, taken before any position is drawn, so that positions commit in order.
-- torn: streams that would get a hole, which is a bug of the caller and must not become history.
-- moved: streams that begin, of runs that were moved to an archive, or that are forked from such a run.
-- chained: the row of the batch itself, behind that of the batch before.
-- held: the leases that still have the claimed epoch; a new epoch has to wait until we have committed.
WITH gate AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(%(ordering_lock)s)
), held AS MATERIALIZED (
    SELECT l.shard
    FROM dalsegno.shard_lease AS l
    JOIN unnest(%(shards)b, %(epochs)b) AS claimed (shard, epoch)
        ON l.shard = claimed.shard AND l.epoch = claimed.epoch
    WHERE (SELECT count(*) FROM gate) = 1
    ORDER BY l.shard
    FOR KEY SHARE OF l
), torn AS MATERIALIZED (
    SELECT h.stream
    FROM unnest(%(head_streams)b, %(head_versions)b) AS h (stream, version)
    WHERE h.version > 1 AND NOT EXISTS (
        SELECT FROM dalsegno.events AS e
        WHERE e.originator_id = h.stream AND e.originator_version = h.version - 1
    )
), moved AS MATERIALIZED (
    SELECT DISTINCT b.stream
    FROM dalsegno.gone_runs(%(standing)b, (SELECT count(*) FROM gate)) AS g (stream)
    JOIN unnest(%(beginning)b, %(standing)b) AS b (stream, source) ON b.source = g.stream
), granted AS MATERIALIZED (
    SELECT (SELECT count(*) FROM held) = cardinality(%(shards)b)
        AND NOT EXISTS (SELECT FROM torn) AND NOT EXISTS (SELECT FROM moved) AS whole
), stored AS (
    INSERT INTO dalsegno.events (originator_id, originator_version, topic, state)
    SELECT e.stream, e.version, e.topic, e.state
    FROM unnest(%(streams)b, %(versions)b, %(topics)b, %(states)b)
        WITH ORDINALITY AS e (stream, version, topic, state, place)
    WHERE (SELECT whole FROM granted)
    ORDER BY e.place
    RETURNING notification_id
), chained AS (
    SELECT dalsegno.chain_batch(min(notification_id), max(notification_id), %(digests)b) AS number
    FROM stored
    HAVING count(*) > 0
), indexed AS (
    INSERT INTO dalsegno.run_index AS r (
        run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
        started_at, updated_at, calls, parent
    )
    SELECT * FROM unnest(
        %(run_ids)b, %(run_shards)b, %(workflows)b, %(workflow_versions)b, %(statuses)b,
        %(run_versions)b, %(next_due_ats)b, %(outstandings)b, %(readies)b, %(started_ats)b,
        %(updated_ats)b, %(calls)b, %(parents)b
    )
    WHERE (SELECT whole FROM granted)
    ON CONFLICT (run_id) DO UPDATE SET
        shard = excluded.shard, workflow = excluded.workflow,
        workflow_version = excluded.workflow_version, status = excluded.status,
        version = excluded.version, next_due_at = excluded.next_due_at,
        outstanding = excluded.outstanding, ready = excluded.ready,
        started_at = excluded.started_at, updated_at = excluded.updated_at,
        calls = excluded.calls, parent = excluded.parent
)
SELECT (
           SELECT max(notification_id) FROM stored WHERE (SELECT number FROM chained) > 0
       ) AS position,
       ARRAY(SELECT shard FROM held) AS held,
       ARRAY(SELECT stream FROM torn) AS torn,
       ARRAY(SELECT stream FROM moved) AS moved
