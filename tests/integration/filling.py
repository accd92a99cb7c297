"""A read model of 100,000 entities, filled by SQL, for tests that look at what a question costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from tests.bench.dataset import OBJECTS

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
TYPES = """
INSERT INTO read_model.entity_type VALUES ('PERSON', 'Person', '', true), ('INSTITUTION', 'Institution', '', true)
"""
CORRECTED = """
INSERT INTO read_model.entity_version_superseded
SELECT id + 10000000, entity_uid, display_name, entity_type, hashdiff, valid_from, valid_to, recorded_from_position,
       valid_to_known_position, recorded_from_position + 1, now(), now(), actor, search_name
FROM read_model.entity_version;

INSERT INTO read_model.entity_detail_version_superseded
SELECT id + 10000000, entity_uid, detail_type, detail_value, hashdiff, valid_from, valid_to, recorded_from_position,
       valid_to_known_position, recorded_from_position + 1, now(), now(), actor
FROM read_model.entity_detail_version;
"""


def fill(conninfo: str) -> None:
    """Let 100,000 entities have two versions each, and two e-mail addresses; ready to be planned for."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        with _bare(connection):
            connection.execute("DELETE FROM read_model.count_mark")  # so that they are set at once
            connection.execute(FILL)
            connection.execute(TYPES)
        connection.execute("VACUUM ANALYZE")


def correct(conninfo: str) -> None:
    """Let every row of a filled read model have one that it superseded."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        with _bare(connection, "_superseded"):
            connection.execute(CORRECTED)
        connection.execute("VACUUM ANALYZE")


@contextmanager
def _bare(connection: psycopg.Connection[Any], ending: str = "") -> Iterator[None]:
    """Do without indexes and constraints in one transaction: once at the end they take less time than row by row."""
    with connection.transaction():
        connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        again = []
        for schema, kind, table, name, command in connection.execute(OBJECTS).fetchall():
            if schema == "read_model" and table.endswith(ending):
                drop = "DROP INDEX {0}.{2}" if kind == "index" else "ALTER TABLE {0}.{1} DROP CONSTRAINT {2}"
                connection.execute(sql.SQL(drop).format(*map(sql.Identifier, (schema, table, name))))
                again.append(command)
        yield
        for command in again:
            connection.execute(command.encode())
