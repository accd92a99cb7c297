-- Where the read model stands; called by projector/batch.py when a projector begins to lead, and by projector/verify.py.
SELECT position, clock_at, generation FROM checkpoint WHERE name = 'read_model' AND NOT retired
