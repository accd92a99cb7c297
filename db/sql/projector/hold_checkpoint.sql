-- Hold the live set still: who would move its checkpoint waits for the end of this transaction; called by projector/sets.py.
SELECT position, nullif(recorded_at, '-infinity'), nullif(clock_at, '-infinity'), nullif(settled_at, '-infinity'), generation
FROM read_model.checkpoint WHERE name = 'read_model' FOR UPDATE
