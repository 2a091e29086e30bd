-- Why: runs that only wait are not loaded at a takeover, however many they are: paused ones, and ones
-- of which nothing is under way but runs that they have started. Only adds what the release before it
-- can live with: its inserts leave the new columns at their defaults.

-- Why: how many runs a run has started that it still waits for, and which run has started a run. So
-- that a parent is found when fewer of its children are open than it waits for.
ALTER TABLE dalsegno.run_index
    ADD COLUMN calls bigint NOT NULL DEFAULT 0,
    ADD COLUMN parent text COLLATE "C" NOT NULL DEFAULT '',
    DROP COLUMN is_active,
    ADD COLUMN is_active boolean NOT NULL GENERATED ALWAYS AS (
        status NOT IN (
            'completed', 'failed', 'cancelled', 'timed_out', 'compensated', 'compensation_failed'
        ) AND (outstanding > 0 OR (ready > 0 AND status <> 'paused'))
    ) STORED,
    ADD COLUMN is_calling boolean NOT NULL GENERATED ALWAYS AS (
        status NOT IN (
            'completed', 'failed', 'cancelled', 'timed_out', 'compensated', 'compensation_failed'
        ) AND calls > 0
    ) STORED;

-- Why: takeover and start-up look only at runs that have something to do. (The column went with its
-- index.)
CREATE INDEX run_index_active ON dalsegno.run_index (run_id, shard) WHERE is_active;

-- Why: the parents among which the same look finds those that missed something of a child.
CREATE INDEX run_index_calling ON dalsegno.run_index (run_id, shard) WHERE is_calling;

-- Why: the open children of a parent.
CREATE INDEX run_index_children ON dalsegno.run_index (parent, run_id) WHERE is_open AND parent <> '';
