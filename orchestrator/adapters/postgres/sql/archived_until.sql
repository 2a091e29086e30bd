-- Why: what was counted before the last moved run ended cannot be counted again.
SELECT coalesce(max(updated_at), 0) FROM dalsegno.archived_run WHERE restored_at IS NULL
