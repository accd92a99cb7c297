-- Revoke the token that a list names; no row when there is none. Called by Accounts.revoke_by_id.
DELETE FROM auth.token
WHERE token_id = %(token_id)s::uuid
RETURNING token_id
