"""The table of completions in the databases of those who write transactional tasks, as SQL."""

COMPLETIONS_TABLE = """\
-- Dal Segno's table of completions, in the database of those who write transactional tasks. Run it
-- once there, by whoever may create a schema:
--
--     dalsegno task-table | psql "$ORDERS_DSN"
--
-- Attempts need SELECT, INSERT and UPDATE on the table, and USAGE on its schema. A row is one task
-- of one run; it may be deleted when the run has ended and nobody will run it again.

CREATE SCHEMA IF NOT EXISTS dalsegno;

CREATE TABLE IF NOT EXISTS dalsegno.task_completions (
    -- Run, step and generation: what may complete only once.
    task_key text PRIMARY KEY,
    -- Fences: that of the newest attempt that has begun; one with a lower one cannot commit. It is
    -- made of the instant of dispatch and the attempt's number.
    token bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('begun', 'completed', 'abandoned')),
    attempt bigint NOT NULL,
    -- Of a completed one what the task returned, as JSON, and its named outcome.
    output text,
    outcome text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now()
);
"""
