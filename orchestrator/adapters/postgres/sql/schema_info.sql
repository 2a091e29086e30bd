-- Why: a store is used only with the schema that it was written for.
SELECT (SELECT max(number) FROM dalsegno.migration), name, shards FROM dalsegno.log
