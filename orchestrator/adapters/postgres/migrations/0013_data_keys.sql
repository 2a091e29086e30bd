-- Why: the values of a personal run are sealed with a data key, and this row is all there is of it:
-- sealed with a master key that is not in this database. To erase the values is to empty `sealed`.
-- `closing`: nobody gets it for a new run any more.
CREATE TABLE dalsegno.data_key (
    id text COLLATE "C" PRIMARY KEY,
    subject text COLLATE "C" NOT NULL,
    sealed bytea,
    closing boolean NOT NULL DEFAULT false,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    erased_at timestamptz
);

-- Why: one key of a subject at a time; whoever runs for it again after it was erased gets another.
CREATE UNIQUE INDEX data_key_subject ON dalsegno.data_key (subject) WHERE sealed IS NOT NULL;

-- Why: also the key that a subject had is looked for.
CREATE INDEX data_key_subjects ON dalsegno.data_key (subject);

-- Why: which runs are to be closed before a key goes, and what else goes with it. Noted before the
-- first event, so a run may be here that never began.
CREATE TABLE dalsegno.personal_run (
    run_id text COLLATE "C" PRIMARY KEY,
    key_id text COLLATE "C" NOT NULL REFERENCES dalsegno.data_key (id),
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX personal_run_key ON dalsegno.personal_run (key_id);
