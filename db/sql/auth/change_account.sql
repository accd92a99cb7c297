-- Say what an account may, null leaving it as it is; no row for an unknown user. Called by Accounts.change_user.
UPDATE auth.account
SET is_admin = coalesce(%(is_admin)s::boolean, is_admin),
    is_active = coalesce(%(is_active)s::boolean, is_active)
WHERE username = %(username)s::text
RETURNING username
