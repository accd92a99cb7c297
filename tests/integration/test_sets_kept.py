"""What a new set of tables is: what the migrations made, with what somebody added; what it cannot keep is refused."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from db import migrate as module
from db.migrate import MIGRATIONS, migrate
from db.pool import Dsns
from db.roles import ensure_roles
from projector.rebuild import Rebuild
from projector.runs import RunKind
from projector.sets import CannotMakeSet, Sets
from projector.verify import BrokenObject, verify
from tests.integration.projecting import JOHN, add, execute, fetch, fold_all, run
from tests.integration.rebuilding import at_each_phase, done, folded, last_run, name_of_john, rebuilt

ALTERED = {
    "index": "DROP INDEX read_model.entity_version_starts;"
    " CREATE INDEX entity_version_starts ON read_model.entity_version (entity_uid)",
    "constraint": "ALTER TABLE read_model.external_key DROP CONSTRAINT external_key_is_unique,"
    " ADD CONSTRAINT external_key_is_unique UNIQUE (position, source)",
    "column added": "ALTER TABLE read_model.audit_entry ADD COLUMN somebodys integer",
    "column dropped": "ALTER TABLE read_model.audit_entry DROP COLUMN user_agent",
    "storage": "ALTER TABLE read_model.entity_version SET (fillfactor = 20)",
    "statistics": "ALTER TABLE read_model.entity_version ALTER search_name SET STATISTICS -1",
}


@pytest.mark.parametrize("altered", ALTERED)
def test_what_was_altered_under_its_own_name_is_what_the_migrations_made_again(database: str, altered: str) -> None:
    folded(database, 8)
    execute(database, *ALTERED[altered].split("; "))
    with pytest.raises((BrokenObject, psycopg.errors.UndefinedColumn)):
        verify(Dsns(database).of("project"))
    assert rebuilt(database).compared is (altered != "column dropped")
    verify(Dsns(database).of("project"))


def test_what_needs_a_column_that_somebody_added_is_named(database: str) -> None:
    execute(
        database,
        "ALTER TABLE read_model.audit_entry ADD COLUMN somebodys integer",
        "CREATE INDEX of_somebody ON read_model.audit_entry (somebodys)",
    )
    with pytest.raises(
        CannotMakeSet, match=r"^The index read_model\.audit_entry\.of_somebody cannot be made .*drop it"
    ):
        rebuilt(database)
    execute(database, "DROP INDEX read_model.of_somebody")
    rebuilt(database)
    verify(Dsns(database).of("project"))


def test_damage_and_additions_are_not_written_down_with_the_next_migration(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = "SELECT kind, name, command FROM projection.definition WHERE schema_name = 'read_model' ORDER BY 1, 2"
    before = fetch(database, known)
    execute(
        database,
        *ALTERED["index"].split("; "),
        "DROP INDEX read_model.entity_detail_version_starts",
        "CREATE INDEX of_somebody ON read_model.audit_entry (operation)",
    )
    for path in MIGRATIONS.glob("*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "9999_later.sql").write_text(
        "CREATE INDEX later ON read_model.audit_entry (actor, position);"
        "DROP INDEX read_model.entity_version_starts_ahead;"
        "ALTER TABLE read_model.entity_type ADD COLUMN later integer"
    )
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    assert migrate(database) == ["9999_later.sql"]
    after = fetch(database, known)
    assert {row[1] for row in set(before) - set(after)} == {"entity_version.entity_version_starts_ahead", "entity_type"}
    assert {row[1] for row in set(after) - set(before)} == {"audit_entry.later", "entity_type"}
    rebuilt(database)
    verify(Dsns(database).of("project"))


NOT_CARRIED = {
    "row-level security of read_model.entity_type": "ALTER TABLE read_model.entity_type ENABLE ROW LEVEL SECURITY",
    "row-level security of read_model.entity_head": "CREATE POLICY theirs ON read_model.entity_head USING (true)",
    "materialized view read_model.theirs": "CREATE MATERIALIZED VIEW read_model.theirs AS SELECT 1 AS n",
    "sequence read_model.theirs": "CREATE SEQUENCE read_model.theirs",
    "type read_model.theirs": "CREATE TYPE read_model.theirs AS ENUM ('a')",
    "publication theirs of read_model.entity_version": "CREATE PUBLICATION theirs FOR TABLE read_model.entity_version",
    "publication theirs of read_model": "CREATE PUBLICATION theirs FOR TABLES IN SCHEMA read_model",
    "rule theirs of read_model.entity_type": "CREATE RULE theirs AS ON DELETE TO read_model.entity_type DO NOTHING",
    "statistics theirs of read_model.entity_type": "CREATE STATISTICS read_model.theirs ON code, name"
    " FROM read_model.entity_type",
    "foreign key theirs of read_model.entity_type": "ALTER TABLE read_model.entity_type ADD CONSTRAINT theirs"
    " FOREIGN KEY (code) REFERENCES read_model.detail_type",
}


@pytest.mark.parametrize("name", NOT_CARRIED)
def test_what_new_tables_would_not_get_is_refused_at_the_beginning(database: str, name: str) -> None:
    execute(database, NOT_CARRIED[name])
    with pytest.raises(CannotMakeSet, match=f"^{name[0].upper()}{name[1:]} would be lost"):
        rebuilt(database)
    assert fetch(database, "SELECT to_regnamespace('read_model_next') IS NULL") == [(True,)]


def test_a_roll_back_refuses_what_would_be_lost_too(database: str) -> None:
    rebuilt(database)
    execute(database, NOT_CARRIED["materialized view read_model.theirs"])
    with pytest.raises(CannotMakeSet, match=r"^Materialized view read_model\.theirs would be lost"):
        done(database, "rollback")


def test_rights_on_columns_and_functions_and_comments_are_kept(database: str) -> None:
    execute(
        database,
        "CREATE FUNCTION read_model.somebodys() RETURNS bigint LANGUAGE sql STABLE"
        " BEGIN ATOMIC SELECT count(*) FROM read_model.entity_head; END",
        "REVOKE ALL ON FUNCTION read_model.somebodys FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION read_model.somebodys TO cockpit_writer",
        "GRANT SELECT (code, name) ON read_model.entity_type TO cockpit_writer",
        "COMMENT ON FUNCTION read_model.somebodys IS 'Counts read_model.entity_head''s rows'",
        "COMMENT ON TABLE read_model.entity_type IS 'Of somebody'",
        "COMMENT ON COLUMN read_model.entity_type.code IS 'Of somebody, too'",
        "COMMENT ON INDEX read_model.entity_version_starts IS 'And this'",
    )
    told = (
        "SELECT coalesce(c.relname, p.proname), d.objsubid, d.description FROM pg_description d"
        " LEFT JOIN pg_class c ON c.oid = d.objoid LEFT JOIN pg_proc p ON p.oid = d.objoid"
        " WHERE 'read_model'::regnamespace IN (c.relnamespace, p.pronamespace) ORDER BY 1, 2"
    )
    rights = (
        "SELECT has_column_privilege('cockpit_writer', 'read_model.entity_type', 'code', 'SELECT'),"
        " has_column_privilege('cockpit_writer', 'read_model.entity_type', 'description', 'SELECT'),"
        " has_function_privilege('cockpit_writer', 'read_model.somebodys()', 'EXECUTE'),"
        " has_function_privilege('cockpit_reader', 'read_model.somebodys()', 'EXECUTE')"
    )
    before = fetch(database, told)
    assert {row[0] for row in before} >= {"current_entities", "entity_history", "somebodys", "entity_type"}
    kinds: tuple[RunKind, ...] = ("rebuild", "rebuild", "rollback")
    for kind in kinds:
        done(database, kind)
        assert fetch(database, told) == before
        assert fetch(database, rights) == [(True, False, True, False)]


def test_the_set_before_is_there_until_the_new_one_has_taken_over(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    rebuilt(database)
    kept = fetch(database, "SELECT to_regnamespace('read_model_previous')::oid")

    def fail(self: Sets, name: str) -> None:
        switch(self, name)
        raise ZeroDivisionError

    switch = Sets.switch
    with monkeypatch.context() as patched:
        patched.setattr(Sets, "switch", fail)
        with pytest.raises(ZeroDivisionError):
            rebuilt(database)
    assert fetch(database, "SELECT to_regnamespace('read_model_previous')::oid") == kept
    assert last_run(database)["phase"] == "failed"
    done(database, "rollback")
    assert name_of_john(database) == ["John"]


@pytest.mark.parametrize("kind", ["rebuild", "rollback"])
def test_a_run_that_has_switched_is_done_whatever_becomes_of_its_process(
    database: str, monkeypatch: pytest.MonkeyPatch, kind: RunKind
) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    rebuilt(database)
    seen: list[object] = []
    switch = Sets.switch

    def look(self: Sets, name: str) -> None:
        switch(self, name)
        seen.append(last_run(database)["phase"])

    def go_on(_: Rebuild, position: int) -> int:
        seen.append(last_run(database)["phase"])
        return position

    def at_its_end(phase: str) -> None:
        if phase == "done":
            found = last_run(database)
            seen.append((found["phase"], found["result"]["position"], found["finished_at"] is not None))

    monkeypatch.setattr(Sets, "switch", look)
    monkeypatch.setattr(Rebuild, "_go_on", go_on)
    done(database, kind, at_each_phase(at_its_end))
    assert seen == ["switch", *(["done"] if kind == "rebuild" else []), ("done", 1, True)]


def test_roles_that_are_made_after_a_rebuild_get_the_set_before_too(database: str) -> None:
    rebuilt(database)
    revoke = sql.SQL("REVOKE ALL ON {} FROM cockpit_projector").format(
        sql.Identifier("read_model_previous", "checkpoint")
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(revoke)
        connection.execute("REVOKE ALL ON SCHEMA read_model_previous FROM cockpit_projector")
    assert ensure_roles(database) is None
    done(database, "rollback")
