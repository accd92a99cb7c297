-- Whose tokens these are and what they open, of those that are valid; called by Accounts.look_up for all requests that
-- have one and wait at the same moment. The reader may see only these columns of the account.
SELECT token.token_hash, account.username, token.scopes, account.is_admin
FROM unnest((SELECT %(token_hashes)b::bytea[])) AS asked (token_hash) -- hidden: the plan hangs on no value
JOIN auth.token ON token.token_hash = asked.token_hash
JOIN auth.account ON account.username = token.username
WHERE account.is_active
  AND (token.expires_at IS NULL OR token.expires_at > clock_timestamp())
