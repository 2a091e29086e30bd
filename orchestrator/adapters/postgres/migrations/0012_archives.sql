-- Why: what was moved out of the log, and where to. Only adds.

-- Why: the files that are known; one whose runs are still being removed is not `done`.
CREATE TABLE dalsegno.archive (
    name text COLLATE "C" PRIMARY KEY,
    digest text NOT NULL,
    runs bigint NOT NULL,
    events bigint NOT NULL,
    done boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Why: a run that was moved is neither unknown nor free to be started again. One that was brought back
-- has its row until it is moved again, so that it is not moved at once.
CREATE TABLE dalsegno.archived_run (
    run_id text COLLATE "C" PRIMARY KEY,
    workflow text NOT NULL,
    workflow_version text NOT NULL,
    status text NOT NULL,
    version bigint NOT NULL,
    digest text NOT NULL,
    started_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    archive text COLLATE "C" NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    restored_at timestamptz
);
