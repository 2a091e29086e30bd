-- Why: the same state under another key; when and by whom it was taken stays. Unless it has gone
-- meanwhile, or was taken anew.
WITH automatic AS (
    UPDATE dalsegno.snapshots SET checksum = %(checksum)b, state = %(state)b
    WHERE stream = %(stream)s AND version = %(version)s AND %(kind)s = 'automatic'
        AND encode(checksum, 'hex') = %(old)s
)
UPDATE dalsegno.kept_snapshots SET checksum = %(checksum)b, state = %(state)b
WHERE stream = %(stream)s AND version = %(version)s AND kind = %(kind)s
    AND encode(checksum, 'hex') = %(old)s
