-- Store the same password hashed with today's parameters, unless it was changed meanwhile; called by Accounts.log_in.
UPDATE auth.account
SET password_hash = %(renewed)s::text
WHERE username = %(username)s::text
  AND password_hash = %(verified)s::text
