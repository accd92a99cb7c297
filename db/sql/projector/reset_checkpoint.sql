-- Begin again before the first event, in the transaction that emptied the tables; called by projector/rebuild.py.
UPDATE checkpoint SET position = 0, generation = generation + 1, recorded_at = '-infinity', settled_at = '-infinity'
WHERE name = 'read_model' AND NOT retired
