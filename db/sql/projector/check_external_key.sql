-- Some external keys, by the positions of their claims; called by projector/verify.py.
SELECT * FROM external_key WHERE position = ANY (%(positions)s::bigint[])
