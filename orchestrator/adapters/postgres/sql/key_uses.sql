-- Why: before a key is taken out of the keyring nothing may be sealed with it any more. Reads the
-- beginning of every sealed thing.
SELECT place, key_id, count(*) FROM (
    SELECT 'snapshots' AS place, dalsegno.sealed_with(state) AS key_id FROM dalsegno.snapshots
    UNION ALL
    SELECT 'snapshots', dalsegno.sealed_with(state) FROM dalsegno.kept_snapshots
    UNION ALL
    SELECT 'lists', dalsegno.sealed_with(data) FROM dalsegno.payloads
    UNION ALL
    SELECT 'data keys', dalsegno.sealed_with(sealed) FROM dalsegno.data_key
    WHERE sealed IS NOT NULL
) AS sealed
GROUP BY place, key_id
ORDER BY place, key_id
