-- Whose token it is and what it opens, as long as it is valid; called by Accounts.look_up on every request with one.
-- The reader may see only these columns of the account.
SELECT account.username, token.scopes, account.is_admin
FROM auth.token
JOIN auth.account ON account.username = token.username
WHERE token.token_hash = %(token_hash)s::bytea
  AND account.is_active
  AND (token.expires_at IS NULL OR token.expires_at > clock_timestamp())
