-- Why: what open runs are doing is in the index, to the moment. By status, so that those that have
-- ended, which are nearly all, are not looked at. Imported ones do nothing here.
SELECT workflow, status, count(*) FROM dalsegno.run_index
WHERE status = ANY(%(open)b) AND shard >= 0 AND (%(workflow)s = '' OR workflow = %(workflow)s)
GROUP BY workflow, status
