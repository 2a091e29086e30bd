-- Why: projections, folded from the log and rebuildable from it at any time. Every row belongs to a
-- generation, so that a new one can be built beside the one that serves. JSON is kept as text: nobody
-- searches in it, and it holds whatever the log holds.

-- Why: how far each generation is. Its position moves in the transaction that writes what the events up
-- to there add, so each event counts once.
CREATE TABLE dalsegno.projection (
    generation bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    fold bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('building', 'serving', 'retired')),
    position bigint NOT NULL DEFAULT 0,
    recorded_at bigint NOT NULL DEFAULT 0,
    unread bigint NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 20);

-- Why: one serves, or readers would not know whom to ask.
CREATE UNIQUE INDEX projection_serving ON dalsegno.projection (state) WHERE state = 'serving';

-- Why: counts and times by stretch of time, of runs by workflow and of tasks by workflow, task and node.
CREATE TABLE dalsegno.tally (
    generation bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    width_s bigint NOT NULL,
    bucket_at bigint NOT NULL,
    workflow text COLLATE "C" NOT NULL,
    task text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    tally json NOT NULL,
    PRIMARY KEY (generation, kind, width_s, bucket_at, workflow, task, node)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.1);

-- Why: runs by tag and by search attribute, newest first. Runs without either have no rows.
CREATE TABLE dalsegno.run_label (
    generation bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    started_at bigint NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    number double precision,
    PRIMARY KEY (generation, kind, name, value, started_at, run_id)
);

-- Why: runs whose search attribute lies in a range.
CREATE INDEX run_label_number ON dalsegno.run_label (generation, kind, name, number)
WHERE number IS NOT NULL;

-- Why: whether a run that another condition has found has this label as well.
CREATE INDEX run_label_run ON dalsegno.run_label (generation, run_id);

-- Why: nodes as the log tells of them, also when no coordinator answers.
CREATE TABLE dalsegno.node_state (
    generation bigint NOT NULL,
    node text COLLATE "C" NOT NULL,
    state json NOT NULL,
    PRIMARY KEY (generation, node)
);

-- Why: events that could not be read count nowhere, but never unseen.
CREATE TABLE dalsegno.unread_event (
    generation bigint NOT NULL,
    position bigint NOT NULL,
    why text NOT NULL,
    PRIMARY KEY (generation, position)
);
