-- Where the read model stands; called by projector/batch.py when a projector begins to lead.
SELECT position FROM checkpoint WHERE name = 'read_model' AND NOT retired
