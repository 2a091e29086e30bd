-- Why: what a projector has to do, and what readers are told of it.
SELECT generation, fold, state, position, recorded_at,
       (extract(epoch FROM begun_at) * 1000000)::int8, unread
FROM dalsegno.projection
ORDER BY generation
