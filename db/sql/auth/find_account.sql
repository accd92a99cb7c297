-- The account to check a password against, or to issue a token for; called by Accounts.log_in and issue_token.
SELECT password_hash, is_admin, is_active
FROM auth.account
WHERE username = %(username)s::text
