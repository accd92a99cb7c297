-- Tokens by user, the newest first, never their hashes; a username of null lists all. Called by Accounts.list_tokens.
SELECT token_id, username, label, scopes, created_at, expires_at
FROM auth.token
WHERE %(username)s::text IS NULL OR username = %(username)s::text
ORDER BY username, created_at DESC, token_id
