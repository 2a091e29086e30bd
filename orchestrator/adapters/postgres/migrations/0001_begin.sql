-- Why: the first schema. The events table is the one that the eventsourcing library's recorders use.

-- Why: as PostgresApplicationRecorder with text originator ids makes it, so that the library's own
-- classes read our log. Collation "C": stream names compare by bytes, which is faster, the same on
-- every server, and lets a prefix be found by index.
CREATE TABLE dalsegno.events (
    originator_id text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic text,
    state bytea,
    notification_id bigserial,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    autovacuum_enabled = true,
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);

-- Why: the order of the whole log; followers read by it.
CREATE UNIQUE INDEX events_notification_id_idx ON dalsegno.events (notification_id ASC);

-- Why: the library's recorders look for this type when they are constructed.
CREATE TYPE dalsegno.stored_event_text AS (
    originator_id text, originator_version bigint, topic text, state bytea
);

-- Why: who may append for a shard. Rows are never deleted: an epoch must never come twice.
CREATE TABLE dalsegno.shard_lease (
    shard bigint PRIMARY KEY,
    epoch bigint NOT NULL,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Why: makes the epoch a key, so that an append, which locks the row FOR KEY SHARE, keeps a new
    -- epoch waiting but not a renewal.
    UNIQUE (shard, epoch)
) WITH (fillfactor = 50);

-- Why: finds due and active runs without opening their streams. Derived from the log, rebuildable.
-- The two generated columns stand in the predicates of the partial indexes instead of the counts that
-- they are made of: an update that leaves them as they are touches no index.
CREATE TABLE dalsegno.run_index (
    run_id text COLLATE "C" PRIMARY KEY,
    shard bigint NOT NULL,
    workflow text NOT NULL,
    workflow_version text NOT NULL,
    status text NOT NULL,
    version bigint NOT NULL,
    next_due_at bigint,
    outstanding bigint NOT NULL,
    ready bigint NOT NULL,
    started_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    is_open boolean NOT NULL GENERATED ALWAYS AS (
        status NOT IN (
            'completed', 'failed', 'cancelled', 'timed_out', 'compensated', 'compensation_failed'
        )
    ) STORED,
    is_active boolean NOT NULL GENERATED ALWAYS AS (
        status NOT IN (
            'completed', 'failed', 'cancelled', 'timed_out', 'compensated', 'compensation_failed'
        ) AND (outstanding > 0 OR ready > 0)
    ) STORED
) WITH (fillfactor = 70);

-- Why: timers, earliest first; the shard is in the index so that other owners' rows cost no visit.
CREATE INDEX run_index_due ON dalsegno.run_index (next_due_at, run_id, shard)
    WHERE is_open AND next_due_at IS NOT NULL;

-- Why: takeover and start-up look only at runs that have something to do.
CREATE INDEX run_index_active ON dalsegno.run_index (run_id, shard) WHERE is_active;

-- Why: lists of runs, newest first.
CREATE INDEX run_index_started ON dalsegno.run_index (started_at DESC, run_id DESC);

-- Why: lists of runs of one workflow, newest first.
CREATE INDEX run_index_workflow ON dalsegno.run_index (workflow, started_at DESC, run_id DESC);

-- Why: lists of runs of one status, newest first, although most runs are completed.
CREATE INDEX run_index_status ON dalsegno.run_index (status, started_at DESC, run_id DESC);

-- Why: states to begin a fold from. Compressed by us, so the server need not try.
CREATE TABLE dalsegno.snapshots (
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    digest text NOT NULL,
    fingerprint text NOT NULL,
    checksum bytea NOT NULL,
    state bytea NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, version)
);
ALTER TABLE dalsegno.snapshots ALTER COLUMN state SET STORAGE EXTERNAL;

-- Why: which log this is, and into how many shards its runs are hashed; both for ever.
CREATE TABLE dalsegno.log (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    name text NOT NULL,
    shards bigint NOT NULL CHECK (shards > 0)
);
