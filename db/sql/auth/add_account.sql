-- Add an account; no row when the username is taken. Called by Accounts.create_user.
INSERT INTO auth.account (username, password_hash, is_admin)
VALUES (%(username)s::text, %(password_hash)s::text, %(is_admin)s::boolean)
ON CONFLICT (username) DO NOTHING
RETURNING username
