-- Why: a release must not decide about what it cannot read. The log says what a release has to know at
-- the least, as the number of a migration, and which release was the first to know it. A migration
-- after which the releases before it must own no shard any more raises both.
ALTER TABLE dalsegno.log
    ADD COLUMN schema_min bigint NOT NULL DEFAULT 9,
    ADD COLUMN release_min text NOT NULL DEFAULT '0.3.0';

-- Why: one that knows too little gets no share, so the others take it.
ALTER TABLE dalsegno.coordinator ADD COLUMN schema bigint NOT NULL DEFAULT 0;

-- Why: 0.1.0 and 0.2.0 do not look at the floor. In the middle of an upgrade they keep and renew what
-- they hold until they are stopped, but take nothing more: what newer coordinators have written since
-- they would fold wrongly. Who acquires shards says what it knows in its transaction.
CREATE FUNCTION dalsegno.keep_shard_from_older_release() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF coalesce(nullif(current_setting('dalsegno.schema', true), ''), '0')::bigint
        >= (SELECT schema_min FROM dalsegno.log)
    THEN
        RETURN NEW;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER new_holder_knows_enough BEFORE UPDATE OF epoch ON dalsegno.shard_lease
FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch)
EXECUTE FUNCTION dalsegno.keep_shard_from_older_release();

CREATE TRIGGER first_holder_knows_enough BEFORE INSERT ON dalsegno.shard_lease
FOR EACH ROW WHEN (NEW.holder <> '')
EXECUTE FUNCTION dalsegno.keep_shard_from_older_release();
