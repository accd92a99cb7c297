-- Whether the new set of tables is still the one that a load is for: until the transaction ends it cannot be dropped. Its
-- commit need not wait for the disk, that of the switch will; called by projector/loading.py.
SELECT tableoid = %(set_id)s::oid, set_config('synchronous_commit', 'off', true) FROM read_model_next.checkpoint
