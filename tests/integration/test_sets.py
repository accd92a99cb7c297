"""A new set of tables has what the live one has, object by object: the catalogue says so, not the code that made it."""

from __future__ import annotations

from typing import Any

from db.roles import ensure_roles
from tests.integration.projecting import execute, fetch
from tests.integration.rebuilding import rebuilt

CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, a.attnum > 0, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation,
               pg_get_expr(d.adbin, d.adrelid), row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attstorage
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'read_model'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
          AND NOT a.attisdropped
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid), convalidated, condeferrable
        FROM pg_constraint WHERE connamespace = 'read_model'::regnamespace AND contype <> 'n'
    """,
    "indexes": """
        SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisunique, i.indisprimary, c.reloptions::text
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'read_model'::regnamespace
    """,
    "relations": """
        SELECT relname, relkind, reloptions::text, relpersistence, relowner,
               ARRAY(SELECT unnest(relacl)::text ORDER BY 1)::text
        FROM pg_class WHERE relnamespace = 'read_model'::regnamespace AND relkind NOT IN ('i')
    """,
    "functions": """
        SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid), provolatile, proparallel,
               proisstrict, prosecdef, prosqlbody IS NOT NULL, proowner, proacl::text
        FROM pg_proc WHERE pronamespace = 'read_model'::regnamespace
    """,
    "bodies": """
        SELECT proname, s FROM pg_proc, regexp_matches(pg_get_functiondef(oid), 'read_model\\w*\\.\\w+', 'g') AS s
        WHERE pronamespace = 'read_model'::regnamespace
    """,
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'read_model'",
    "triggers": """
        SELECT tgname, tgenabled, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = 'read_model'::regnamespace AND NOT tgisinternal
    """,
    "schemas": "SELECT nspname, nspowner, nspacl::text FROM pg_namespace WHERE nspname = 'read_model'",
}


Catalogue = dict[str, list[tuple[Any, ...]]]


def catalogue(conninfo: str) -> Catalogue:
    return {kind: [tuple(map(str, row)) for row in fetch(conninfo, query)] for kind, query in CATALOGUE.items()}


def different(one: Catalogue, other: Catalogue) -> list[tuple[Any, ...]]:
    return [(kind, *row) for kind in one for row in set(one[kind]) ^ set(other[kind])]


def test_the_new_set_has_every_object_of_the_one_before(database: str) -> None:
    before = catalogue(database)
    assert all(before[kind] for kind in ("columns", "constraints", "indexes", "relations", "functions", "schemas"))
    rebuilt(database)
    assert different(before, catalogue(database)) == []


def test_what_somebody_added_to_the_read_model_is_kept(database: str) -> None:
    execute(
        database,
        "CREATE INDEX somebodys ON read_model.audit_entry (operation) WITH (fillfactor = 70)",
        "CREATE FUNCTION read_model.somebodys() RETURNS bigint LANGUAGE sql STABLE"
        " BEGIN ATOMIC SELECT count(*) FROM read_model.entity_head; END",
        "CREATE VIEW read_model.somebodys_view AS SELECT read_model.somebodys() AS n, code FROM read_model.entity_type",
        "CREATE FUNCTION read_model.of_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER somebodys AFTER INSERT ON read_model.entity_type EXECUTE FUNCTION read_model.of_nothing()",
        "ALTER TABLE read_model.entity_type ENABLE ALWAYS TRIGGER somebodys",
        "GRANT SELECT ON read_model.somebodys_view TO PUBLIC",
        "GRANT SELECT ON read_model.entity_version TO cockpit_writer WITH GRANT OPTION",
    )
    assert ensure_roles(database) is None
    before = catalogue(database)
    for _ in range(2):
        rebuilt(database)
        assert different(before, catalogue(database)) == []
    assert fetch(database, "SELECT count(*) FROM read_model.somebodys_view") == [(0,)]


def test_what_the_migrations_made_is_written_down(database: str) -> None:
    for schema in ("log", "read_model"):
        there = fetch(
            database, "SELECT ordinal, kind, name, command FROM projection.definitions(%s) ORDER BY 1", schema
        )
        query = "SELECT ordinal, kind, name, command FROM projection.definition WHERE schema_name = %s ORDER BY 1"
        assert fetch(database, query, schema) == there
        assert len(there) > 5
    kinds = {kind for (kind,) in fetch(database, "SELECT DISTINCT kind FROM projection.definition")}
    assert kinds >= {"table", "constraint", "index", "function", "trigger"}
