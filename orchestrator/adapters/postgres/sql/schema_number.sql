-- Why: a store is used only with the schema that it was written for.
SELECT coalesce(max(number), 0) FROM dalsegno.migration
