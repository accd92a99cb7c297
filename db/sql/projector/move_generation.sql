-- The fence of who changes rows beside the fold: it locks the checkpoint, and the projector that leads will begin anew;
-- called by projector/refold.py.
UPDATE checkpoint SET generation = generation + 1 WHERE name = 'read_model' AND NOT retired RETURNING position
