"""A read model of 100,000 entities, filled by SQL, for tests that look at what a question costs."""

from __future__ import annotations

import psycopg

FILL = """
INSERT INTO read_model.entity_head
SELECT md5(n::text)::uuid, 2, md5('event ' || n)::uuid, n, 3, '2024-01-01'::timestamptz + n * interval '4 minutes'
FROM generate_series(1, 100000) n;

INSERT INTO read_model.entity_version
SELECT last_position * 2 + k, entity_uid, 'Name ' || last_position,
       CASE WHEN last_position % 100 = 0 THEN 'INSTITUTION' ELSE 'PERSON' END, hash,
       registered_at + k * interval '100 days', CASE WHEN k = 0 THEN registered_at + interval '100 days' END, k = 1,
       CASE WHEN k = 1 THEN now() END, last_position, CASE WHEN k = 0 THEN 1 END,
       now(), now(), 'somebody', 'name ' || last_position
FROM read_model.entity_head, generate_series(0, 1) k, encode(sha256((last_position || '/' || k)::bytea), 'hex') hash;

INSERT INTO read_model.entity_detail_version
SELECT id, entity_uid, 'EMAIL', hashdiff, hashdiff, valid_from, valid_to, is_current, asserted_to, 1,
       valid_to_known_position, now(), now(), 'somebody'
FROM read_model.entity_version;

INSERT INTO read_model.audit_entry
SELECT last_position * 65536, last_position, 'user_' || last_position % 100, registered_at, entity_uid,
       'entity', 'INSERT', NULL, NULL, '{}', 'request-' || last_position, NULL, NULL, last_event_id, NULL
FROM read_model.entity_head;

UPDATE read_model.checkpoint SET position = 100000, recorded_at = now(), clock_at = now();
"""
GUARDS = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE contype = 'x'
"""


def fill(conninfo: str) -> None:
    """Let 100,000 entities have two versions each, and two e-mail addresses; ready to be planned for.

    The exclusion constraints are checked once at the end, which takes less time than for each row.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        guards = connection.execute(GUARDS).fetchall()
        for statement in [*(without for without, _ in guards), FILL, *(again for _, again in guards), "VACUUM ANALYZE"]:
            connection.execute(statement.encode())
