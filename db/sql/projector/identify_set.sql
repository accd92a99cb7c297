-- Which set of tables is the live one, whatever the snapshot: a rebuild may have switched; called by projector/verify.py.
SELECT to_regnamespace('read_model')::oid::bigint
