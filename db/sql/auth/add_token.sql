-- Store a new token's hash; no row when the account is gone or not active. A ttl of null never expires.
-- Called by Accounts.log_in and issue_token.
INSERT INTO auth.token (token_hash, username, label, scopes, expires_at)
SELECT %(token_hash)s::bytea, username, %(label)s::text, %(scopes)s::text[],
       clock_timestamp() + make_interval(secs => %(ttl)s::double precision)
FROM auth.account
WHERE username = %(username)s::text
  AND is_active
RETURNING expires_at
