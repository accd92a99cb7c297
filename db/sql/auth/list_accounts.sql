-- Accounts by name, never their passwords' hashes; a username of null lists all. Called by Accounts.list_users.
SELECT username, is_admin, is_active, created_at
FROM auth.account
WHERE %(username)s::text IS NULL OR username = %(username)s::text
ORDER BY username COLLATE "C"
