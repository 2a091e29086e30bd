-- Why: dead letters are read from the log itself, where they are few among many events.
CREATE INDEX events_dead_letters_idx ON dalsegno.events (notification_id DESC)
    WHERE topic = 'task.dead_lettered.v1';
