"""A database as large as a benchmark wants it: rows and events made by SQL, such as the write side and projector leave.

The rows are synthetic at every size, made beside the events they stand for and not by folding them, which would take a
hundred times as long. That both agree is proved on a small one, by `verify` (tests/integration/test_dataset.py).

Of ten entities, two were revised and then corrected in between (so a row of each is superseded), three got another
name, three another e-mail address, one was retired, one is as it was registered. All have three details; one of twenty
is an INSTITUTION. They began over eight years, in an order that has nothing to do with that of the log.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

RETIRED = 9
"""The kind of entity, the last digit of its number, that was retired."""
MADE = """
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
SELECT n, md5(%(seed)s || ' ' || n)::uuid AS uid, n %% 10 AS kind,
       CASE WHEN hashint8extended(n, %(seed)s + 7) %% 20 = 0 THEN 'INSTITUTION' ELSE 'PERSON' END AS type,
       given || ' ' || family || ' ' || n AS name, given || ' ' || other || ' ' || n AS late_name,
       given || ' ' || other || '-' || family || ' ' || n AS new_name,
       lower(given) || '.' || lower(family) || n || '@example.com' AS email,
       lower(given) || '.' || lower(other) || n || '@example.org' AS new_email,
       '+1-202-' || lpad((n %% 10000000)::text, 7, '0') AS phone,
       n %% 900 || ' Market St, ' || family || 'ville' AS address,
       began, began + 0.3 * lasted AS late, began + lasted AS changed,
       6 + n AS first, 6 + %(entities)s + n - (n + 2) / 10 AS second,
       6 + 2 * %(entities)s - (%(entities)s + 2) / 10 + n / 10 + (n + 9) / 10 AS third
FROM (
    SELECT n, given[1 + abs(hashint8extended(n, %(seed)s + 1) %% 32)] AS given,
           family[1 + abs(hashint8extended(n, %(seed)s + 2) %% 32)] AS family,
           family[1 + (abs(hashint8extended(n, %(seed)s + 2) %% 32) + 1
                       + abs(hashint8extended(n, %(seed)s + 3) %% 31)) %% 32] AS other,
           date_trunc('second', timestamptz '2014-01-01 00:00+00'
               + (abs(hashint8extended(n, %(seed)s + 4)) %% 2922) * interval '1 day'
               + (abs(hashint8extended(n, %(seed)s + 5)) %% 86400) * interval '1 second') AS began,
           (10 + abs(hashint8extended(n, %(seed)s + 6)) %% 500) * interval '1 day' AS lasted
    FROM generate_series(1::bigint, %(entities)s) n,
         string_to_array('Ada Alan Alice Anna Ben Bruce Carl Clara Clark Dana David Diana Edgar Ella Emma Eric Fay'
                         ' Frank Grace Hugo Ida Jane John Karl Lea Lois Maria Nora Otto Paula Tony Vera', ' ') given,
         string_to_array('Abel Baker Berg Bloom Carter Cole Danvers Doe Ellis Fischer Ford Gray Hale Hill Hopper Hunt'
                         ' Jones Kent Kowalski Lane Lang Lovelace Miller Moore Parker Rossi Smith Stark Stone Turing'
                         ' Wayne Wood', ' ') family
) AS drawn
"""
EVENTS = """
CREATE TEMPORARY TABLE told ON COMMIT DROP AS
SELECT position, md5('event ' || position || ' ' || %(seed)s)::uuid AS event_id, stream, version, type, effective_at,
       timestamptz '2024-01-01 00:00+00' + position * interval '1 millisecond' AS recorded_at,
       '{"context":{"ip_address":"192.0.2.1","user_agent":"made"},"data":' || data || '}' AS payload,
       decode(md5('salt ' || position || ' ' || %(seed)s), 'hex') AS salt,
       md5('command ' || position || ' ' || %(seed)s)::uuid AS command_id,
       'user_' || position %% 100 AS actor, 'request-' || position AS request_id
FROM (
    SELECT n AS position, 'registry' AS stream, n::integer AS version, 'TypeRegistered' AS type,
           NULL::timestamptz AS effective_at,
           format('{"code":"%%s","description":"","kind":"%%s","name":"%%s"}', code, kind, initcap(code)) AS data
    FROM (VALUES (1, 'entity', 'PERSON'), (2, 'entity', 'INSTITUTION'), (3, 'detail', 'ADDRESS'),
                 (4, 'detail', 'EMAIL'), (5, 'detail', 'PHONE'), (6, 'detail', 'WEBSITE')) AS t (n, kind, code)
    UNION ALL
    SELECT first, 'entity:' || uid, 1, 'EntityRegistered', began, format(
               '{"details":{"ADDRESS":"%%s","EMAIL":"%%s","PHONE":"%%s"},"display_name":"%%s","entity_type":"%%s"}',
               address, email, phone, name, type)
    FROM made
    UNION ALL
    SELECT second, 'entity:' || uid, 2, CASE kind WHEN 9 THEN 'EntityRetired' ELSE 'EntityRevised' END, changed,
           CASE WHEN kind = 9 THEN '{}' WHEN kind <= 4 THEN format('{"display_name":"%%s"}', new_name)
                ELSE format('{"details":{"EMAIL":"%%s"}}', new_email) END
    FROM made WHERE kind <> 8
    UNION ALL
    SELECT third, 'entity:' || uid, 3, 'EntityRevised', late, format('{"display_name":"%%s"}', late_name)
    FROM made WHERE kind <= 1
) AS event
"""
CHAIN = """
CREATE FUNCTION pg_temp.chain() RETURNS TABLE (at bigint, metadata text, digest bytea, link bytea)
LANGUAGE plpgsql AS $$
DECLARE
    e told;
BEGIN
    link := decode(repeat('00', 32), 'hex');
    FOR e IN SELECT * FROM told ORDER BY position LOOP
        at := e.position;
        metadata := '{"actor":"' || e.actor || '","request_id":"' || e.request_id || '"}';
        digest := sha256(e.salt || convert_to(e.payload, 'UTF8'));
        link := log.link(link, at, e.event_id, e.stream, e.version, e.type, 1::smallint,
                         coalesce(e.effective_at, e.recorded_at), NULL, e.recorded_at, e.command_id, 0::smallint,
                         metadata, digest);
        RETURN NEXT;
    END LOOP;
END $$
"""
LOG = """
INSERT INTO log.event
SELECT position, event_id, stream, version, type, 1, coalesce(effective_at, recorded_at), NULL, recorded_at,
       payload::json, salt, digest, link, command_id, 0, metadata::json
FROM pg_temp.chain() JOIN told ON position = at
ORDER BY position
"""
VERSIONS = """
INSERT INTO read_model.entity_version (
    id, entity_uid, display_name, entity_type, hashdiff, valid_from, valid_to, is_current, asserted_to,
    recorded_from_position, valid_to_known_position, created_at, updated_at, actor, search_name
)
SELECT v.at * 65536 + ordinal, uid, v.name, m.type,
       encode(sha256(convert_to(length(v.name) || ':' || v.name || length(m.type) || ':' || m.type, 'UTF8')), 'hex'),
       v.since, v.until, v.until IS NULL, CASE WHEN v.until IS NULL THEN greatest(v.since, v.asserted) END, v.at,
       v.told, e.recorded_at, coalesce(u.recorded_at, e.recorded_at), e.actor, lower(v.name)
FROM made m
CROSS JOIN LATERAL (
    VALUES (kind IN (5, 6, 7, 8), first, 0, name, began, NULL::timestamptz, NULL::bigint, NULL::timestamptz),
           (kind = 9, first, 0, name, began, changed, second, NULL),
           (kind IN (2, 3, 4), first, 0, name, began, changed, second, NULL),
           (kind <= 4, second, 0, new_name, changed, NULL, NULL, NULL),
           (kind <= 1, third, 0, name, began, late, third, NULL),
           (kind <= 1, third, 1, late_name, late, changed, third, NULL)
) AS v (is_so, at, ordinal, name, since, until, told, asserted)
JOIN told e ON e.position = v.at
LEFT JOIN told u ON u.position = v.told
WHERE v.is_so
ORDER BY 1
"""
SUPERSEDED = """
INSERT INTO read_model.entity_version_superseded (
    id, entity_uid, display_name, entity_type, hashdiff, valid_from, valid_to, recorded_from_position,
    valid_to_known_position, recorded_to_position, created_at, updated_at, actor, search_name
)
SELECT first * 65536, uid, name, m.type,
       encode(sha256(convert_to(length(name) || ':' || name || length(m.type) || ':' || m.type, 'UTF8')), 'hex'),
       began, changed, first, second, third, e.recorded_at, u.recorded_at, e.actor, lower(name)
FROM made m JOIN told e ON e.position = first JOIN told u ON u.position = second
WHERE kind <= 1
ORDER BY 1
"""
DETAILS = """
INSERT INTO read_model.entity_detail_version (
    id, entity_uid, detail_type, detail_value, hashdiff, valid_from, valid_to, is_current, asserted_to,
    recorded_from_position, valid_to_known_position, created_at, updated_at, actor
)
SELECT d.at * 65536 + ordinal, uid, d.type, value,
       encode(sha256(convert_to(length(d.type) || ':' || d.type || length(value) || ':' || value, 'UTF8')), 'hex'),
       d.since, d.until, d.until IS NULL, CASE WHEN d.until IS NULL THEN d.since END, d.at,
       CASE WHEN d.until IS NOT NULL THEN second END, e.recorded_at, coalesce(u.recorded_at, e.recorded_at),
       e.actor
FROM made
CROSS JOIN LATERAL (
    VALUES (true, first, 1, 'ADDRESS', address, began, CASE kind WHEN 9 THEN changed END),
           (true, first, 2, 'EMAIL', email, began, CASE WHEN kind IN (5, 6, 7, 9) THEN changed END),
           (true, first, 3, 'PHONE', phone, began, CASE kind WHEN 9 THEN changed END),
           (kind IN (5, 6, 7), second, 0, 'EMAIL', new_email, changed, NULL)
) AS d (is_so, at, ordinal, type, value, since, until)
JOIN told e ON e.position = d.at
LEFT JOIN told u ON u.position = second AND d.until IS NOT NULL
WHERE d.is_so
ORDER BY 1
"""
HEADS = """
INSERT INTO read_model.entity_head (entity_uid, version, last_event_id, last_position, change_points, registered_at)
SELECT uid, version, event_id, position, version + 5, began
FROM made JOIN told ON position = CASE WHEN kind <= 1 THEN third WHEN kind = 8 THEN first ELSE second END
ORDER BY n
"""
AUDIT = """
INSERT INTO read_model.audit_entry (
    audit_id, position, actor, recorded_at, entity_uid, table_name, operation, detail_code, before_value, after_value,
    request_id, ip_address, user_agent, event_id
)
SELECT a.at * 65536 + ordinal, a.at, e.actor, e.recorded_at, uid,
       CASE WHEN code IS NULL THEN 'entity' ELSE 'entity_detail' END, operation, code, before::json, after::json,
       e.request_id, '192.0.2.1', 'made', e.event_id
FROM (
    SELECT *, format('{"display_name":"%%s","entity_type":"%%s"}', name, type) AS begun,
           format('{"detail_value":"%%s"}', email) AS emailed
    FROM made
) AS m
CROSS JOIN LATERAL (
    VALUES (true, first, 0, 'INSERT', NULL, NULL, begun),
           (true, first, 1, 'INSERT', 'ADDRESS', NULL, format('{"detail_value":"%%s"}', address)),
           (true, first, 2, 'INSERT', 'EMAIL', NULL, emailed),
           (true, first, 3, 'INSERT', 'PHONE', NULL, format('{"detail_value":"%%s"}', phone)),
           (kind <= 4, second, 0, 'UPDATE', NULL, format('{"display_name":"%%s"}', name),
            format('{"display_name":"%%s"}', new_name)),
           (kind IN (5, 6, 7), second, 0, 'UPDATE', 'EMAIL', emailed, format('{"detail_value":"%%s"}', new_email)),
           (kind = 9, second, 0, 'DELETE', NULL, begun, NULL),
           (kind = 9, second, 1, 'DELETE', 'ADDRESS', format('{"detail_value":"%%s"}', address), NULL),
           (kind = 9, second, 2, 'DELETE', 'EMAIL', emailed, NULL),
           (kind = 9, second, 3, 'DELETE', 'PHONE', format('{"detail_value":"%%s"}', phone), NULL),
           (kind <= 1, third, 0, 'UPDATE', NULL, format('{"display_name":"%%s"}', name),
            format('{"display_name":"%%s"}', late_name))
) AS a (is_so, at, ordinal, operation, code, before, after)
JOIN told e ON e.position = a.at
WHERE a.is_so
ORDER BY 1
"""
TYPES = """
INSERT INTO read_model.entity_type VALUES ('PERSON', 'Person', '', true), ('INSTITUTION', 'Institution', '', true);
INSERT INTO read_model.detail_type
VALUES ('ADDRESS', 'Address', '', true), ('EMAIL', 'Email', '', true), ('PHONE', 'Phone', '', true),
       ('WEBSITE', 'Website', '', true);
UPDATE read_model.checkpoint c
SET position = e.position, recorded_at = e.recorded_at, settled_at = e.recorded_at, clock_at = now()
FROM (SELECT position, recorded_at FROM told ORDER BY position DESC LIMIT 1) e
"""
STEPS = (MADE, EVENTS, "CREATE INDEX ON told (position)", "ANALYZE made", "ANALYZE told")
ROWS = (LOG, VERSIONS, SUPERSEDED, DETAILS, HEADS, AUDIT)

OBJECTS = """
SELECT s.name, d.kind, split_part(d.name, '.', 1), split_part(d.name, '.', 2), d.command
FROM unnest(ARRAY['log', 'read_model']) s (name), projection.definitions(s.name) d
WHERE (d.kind = 'index' OR (d.kind = 'constraint' AND d.command !~ ' CHECK ')) AND d.name !~ '^(count|audit)_mark'
ORDER BY s.name, d.ordinal
"""


def fill(conninfo: str, entities: int, seed: int = 1, *, only_to_read: bool = False) -> None:
    """Fill the log and the read model of a migrated, empty database; ready to be planned for and to be written to.

    Everything happens in one transaction: the tables get their indexes and constraints again once they are full. Who
    only reads it can do without the log and without the guards, the exclusion constraints: half of the time goes into
    these.
    """
    parameters = {"entities": entities, "seed": seed}
    with psycopg.connect(conninfo, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
            again = _strip(connection)
            connection.execute("DELETE FROM read_model.count_mark")  # so that they are set at once
            for step in STEPS:
                connection.execute(step.encode(), parameters if "%" in step else None)
            connection.execute(CHAIN)
            for step in ROWS[only_to_read:]:
                connection.execute(step.replace("%%", "%").encode())
            connection.execute(TYPES)
            for command in again:
                if not only_to_read or " EXCLUDE " not in command:
                    connection.execute(command.encode())
        connection.execute("VACUUM ANALYZE")


def exists(number: int) -> bool:
    """Say whether the entity of that number, which all its names have, exists today: one of ten was retired."""
    return number % 10 != RETIRED


def _strip(connection: psycopg.Connection[Any]) -> list[str]:
    """Take the tables what is built faster at once than row by row, and return the commands that make it again."""
    commands = []
    for schema, kind, table, name, command in connection.execute(OBJECTS).fetchall():
        if kind == "constraint":
            drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                sql.Identifier(schema, table), sql.Identifier(name)
            )
        else:
            drop = sql.SQL("DROP INDEX {}").format(sql.Identifier(schema, name))
        connection.execute(drop)
        commands.append(command)
    return commands
