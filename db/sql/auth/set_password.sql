-- Replace a password, whatever it was; no row for an unknown user. Called by Accounts.set_password.
UPDATE auth.account
SET password_hash = %(password_hash)s::text
WHERE username = %(username)s::text
RETURNING username
