-- Why: an audit knows which events of a batch were moved, and which have vanished.
UPDATE dalsegno.log_batch AS b SET gone = marked.gone
FROM unnest(%(numbers)b, %(gones)b) AS marked (number, gone)
WHERE b.number = marked.number
