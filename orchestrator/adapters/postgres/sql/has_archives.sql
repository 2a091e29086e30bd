-- Why: nobody needs to ask for tombstones where there are none.
SELECT EXISTS (SELECT FROM dalsegno.archived_run)
