-- The last position the read model has; read by db/waiting.py while somebody waits for one.
SELECT position FROM checkpoint WHERE name = 'read_model'
