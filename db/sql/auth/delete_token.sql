-- Revoke the token in use; called by Accounts.revoke.
DELETE FROM auth.token
WHERE token_hash = %(token_hash)s::bytea
