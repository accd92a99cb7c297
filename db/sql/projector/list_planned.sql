-- What a new set of tables still lacks, in the order in which it is made; called by projector/sets.py.
SELECT ordinal, kind, name FROM projection.planned ORDER BY ordinal
