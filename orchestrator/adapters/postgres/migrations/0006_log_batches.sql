-- Why: what each append has added to the log, chained from one to the next, so that an event that is
-- changed, a stream that vanishes and a log that is cut short can be told from the log alone. Only
-- adds: an append of the release before leaves no row, and the next one that does says which places
-- it has found taken.

-- Why: a row an append, never changed but for `gone`. `digests`: 16 bytes of the SHA-256 of each event,
-- in order of position; empty where `events` is 0, which is what was appended without a row: the log as
-- it was when this table came, or what a release before it has appended since. `gone`: a bit an event,
-- 1 where it was moved to an archive; NULL while all are here. `recorded_at` in microseconds.
CREATE TABLE dalsegno.log_batch (
    number bigint PRIMARY KEY,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    events bigint NOT NULL,
    digests bytea NOT NULL,
    digest bytea NOT NULL,
    recorded_at bigint NOT NULL,
    gone bytea
);
ALTER TABLE dalsegno.log_batch ALTER COLUMN digests SET STORAGE EXTERNAL;

-- Why: the batch that a position is in.
CREATE UNIQUE INDEX log_batch_last_position ON dalsegno.log_batch (last_position);

-- Why: in the append's own statement, under the ordering lock. A function, because its statements see
-- what was committed while the append waited for the lock, which the append's own snapshot does not.
CREATE FUNCTION dalsegno.chain_batch(first bigint, last bigint, digests bytea) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    recorded bigint := extract(epoch FROM clock_timestamp()) * 1000000;
    before record;
    place bigint;
    seal bytea;
BEGIN
    SELECT b.number, b.last_position, b.digest INTO before
    FROM dalsegno.log_batch AS b ORDER BY b.number DESC LIMIT 1;
    place := coalesce(before.number, 0) + 1;
    seal := coalesce(before.digest, '');
    -- Positions that nobody has taken are normal; taken ones are those of a release without batches.
    IF first > coalesce(before.last_position, 0) + 1 AND EXISTS (
        SELECT FROM dalsegno.events AS e
        WHERE e.notification_id > coalesce(before.last_position, 0) AND e.notification_id < first
    ) THEN
        seal := sha256(
            seal || int8send(place) || int8send(coalesce(before.last_position, 0) + 1)
            || int8send(first - 1) || int8send(recorded)
        );
        INSERT INTO dalsegno.log_batch VALUES (
            place, coalesce(before.last_position, 0) + 1, first - 1, 0, '', seal, recorded
        );
        place := place + 1;
    END IF;
    seal := sha256(
        seal || int8send(place) || int8send(first) || int8send(last) || int8send(recorded) || digests
    );
    INSERT INTO dalsegno.log_batch VALUES (
        place, first, last, length(digests) / 16, digests, seal, recorded
    );
    RETURN place;
END
$$;

-- Why: the log as it is now has no batches; they begin behind it.
INSERT INTO dalsegno.log_batch
SELECT 1, 1, m.last, 0, '',
    sha256(int8send(1) || int8send(1) || int8send(m.last) || int8send(m.recorded)), m.recorded
FROM (
    SELECT max(notification_id) AS last,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS recorded
    FROM dalsegno.events
) AS m
WHERE m.last IS NOT NULL;
