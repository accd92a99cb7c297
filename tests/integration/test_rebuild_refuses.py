"""What a rebuild refuses and waits for: one at a time, no tables of an older schema, nothing beyond its role."""

from __future__ import annotations

from threading import Timer

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.pool import Dsns
from projector.rebuild import RolledBack
from projector.runs import LOCK, Runs
from projector.sets import CannotMakeSet
from shared.core.errors import UnderWay
from tests import oracle
from tests.integration.projecting import (
    JOHN,
    add,
    execute,
    fetch,
    fold_all,
    run,
)
from tests.integration.rebuilding import at_each_phase, done, folded, last_run, name_of_john, rebuilt


@pytest.mark.parametrize("kind", ["rebuild", "rollback"])
def test_tables_of_an_older_schema_are_never_switched_to(database: str, kind: str) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    rebuilt(database)
    newer = "INSERT INTO public.cockpit_migration VALUES ('9999_newer.sql', '')"
    if kind == "rollback":
        execute(database, newer)
        with pytest.raises(CannotMakeSet, match="A migration has been applied since"):
            done(database, "rollback")
    else:

        def migrate(phase: str) -> None:
            if phase == "compare":
                execute(database, newer)

        with pytest.raises(CannotMakeSet, match="was made before migration 9999_newer"):
            rebuilt(database, tell=at_each_phase(migrate))
    assert last_run(database)["phase"] == "failed"
    assert name_of_john(database) == ["John"]
    rebuilt(database)


def test_it_waits_for_who_migrates(database: str) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    with psycopg.connect(database, autocommit=True) as migrating:
        ends = Timer(1.0, lambda: migrating.execute("SELECT pg_advisory_unlock(4011, 2)"))

        def migrate(phase: str) -> None:
            if phase == "switch":
                migrating.execute("SELECT pg_advisory_lock(4011, 2)")
                ends.start()

        assert rebuilt(database, tell=at_each_phase(migrate)).seconds > 1
        ends.join()


def test_one_goes_on_at_a_time_and_what_was_left_has_failed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projector.runs.LOCK_SECONDS", 0.2)
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", LOCK)
        with pytest.raises(UnderWay):
            rebuilt(database)
    with psycopg.connect(Dsns(database).of("project"), autocommit=True) as connection:
        Runs(connection).add("rebuild", "left")
    execute(
        database, "CREATE SCHEMA read_model_next", "CREATE TABLE read_model_next.entity_version (left_over integer)"
    )
    rebuilt(database)
    assert fetch(database, "SELECT phase FROM projection.rebuild ORDER BY id") == [("failed",), ("done",)]


def test_a_login_that_is_a_projector_and_nothing_else_does_it_all(database: str) -> None:
    folded(database, 6)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE ROLE rebuilding_projector LOGIN PASSWORD 'secret' IN ROLE cockpit_projector")
        try:
            own = make_conninfo(
                database, user="rebuilding_projector", password="secret", options="-c search_path=read_model"
            )
            assert rebuilt(database, dsn=own).switched
            assert isinstance(done(database, "rollback", dsn=own), RolledBack)
            with psycopg.connect(own) as projector, pytest.raises(psycopg.errors.InsufficientPrivilege):
                projector.execute("DROP SCHEMA read_model_previous CASCADE")
            with (
                psycopg.connect(own) as projector,
                pytest.raises(psycopg.DatabaseError, match="no set that may be dropped"),
            ):
                projector.execute("SELECT projection.drop_set('log')")
        finally:
            connection.execute("DROP ROLE rebuilding_projector")
    with psycopg.connect(Dsns(database).of("read")) as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT projection.begin_set()")
    with psycopg.connect(database) as checking:
        oracle.check(checking)


def test_what_somebody_else_made_there_is_not_made_again_with_the_rights_of_the_owner(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE ROLE somebody")
        connection.execute("GRANT CREATE, USAGE ON SCHEMA read_model TO somebody")
        try:
            execute(database, "SET ROLE somebody", "CREATE VIEW read_model.tokens AS SELECT token_hash FROM auth.token")
        except psycopg.errors.InsufficientPrivilege:
            execute(
                database,
                "CREATE VIEW read_model.tokens AS SELECT token_hash FROM auth.token",
                "ALTER VIEW read_model.tokens OWNER TO somebody",
            )
        try:
            with pytest.raises(CannotMakeSet, match="tokens is not of the owner of read_model"):
                rebuilt(database)
        finally:
            connection.execute("DROP OWNED BY somebody")
            connection.execute("DROP ROLE somebody")
    rebuilt(database)


def test_what_hangs_on_the_tables_themselves_stands_in_the_way(database: str) -> None:
    execute(database, "CREATE SCHEMA bi", "CREATE VIEW bi.names AS SELECT display_name FROM read_model.entity_version")
    with pytest.raises(CannotMakeSet, match=r"^Bi\.names hangs on the tables of read_model themselves"):
        rebuilt(database)
    execute(database, "DROP VIEW bi.names")
    rebuilt(database)
    execute(database, "CREATE VIEW bi.names AS SELECT display_name FROM read_model_previous.entity_version")
    with pytest.raises(CannotMakeSet, match=r"^Bi\.names hangs on the tables of read_model_previous"):
        rebuilt(database)
