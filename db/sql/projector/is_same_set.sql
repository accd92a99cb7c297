-- Whether the new set of tables is still the one that a load is for; until the transaction ends it cannot be dropped;
-- called by projector/loading.py.
SELECT tableoid = %(set_id)s::oid FROM read_model_next.checkpoint
