-- Who may ask: users, tokens (only their hashes), and the buckets of the login limiter.
CREATE SCHEMA auth;

CREATE TABLE auth.account (
    username      text        PRIMARY KEY CHECK (username <> ''),
    password_hash text        NOT NULL, -- argon2id
    is_admin      boolean     NOT NULL DEFAULT false,
    is_active     boolean     NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE auth.token (
    token_id   uuid        PRIMARY KEY DEFAULT gen_random_uuid(), -- names it in lists; opens nothing
    token_hash bytea       NOT NULL UNIQUE,                       -- sha256 of 256 random bits
    username   text        NOT NULL REFERENCES auth.account ON DELETE CASCADE,
    label      text        NOT NULL DEFAULT '',
    scopes     text[]      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);
CREATE INDEX token_by_user ON auth.token (username);

-- A token bucket for each (account, address): failures_left is refilled with time.
CREATE TABLE auth.login_bucket (
    bucket        text             PRIMARY KEY,
    failures_left double precision NOT NULL,
    refilled_at   timestamptz      NOT NULL
);
