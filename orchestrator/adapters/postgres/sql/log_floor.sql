-- Why: what a release has to know of the log at the least, and which one is the first that does.
SELECT schema_min, release_min FROM dalsegno.log
