"""What import-linter cannot keep: the house has the rooms that it has, and nothing in it is without its counterpart.

Every rule is a function of `architecture.py`, shown here to find what is wrong before it is asked about the real thing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from shared.core import codec, errors, upcasters
from shared.core.events import EntityEvent, Event, ExternalKeyClaimed, Kind, RegistryEvent
from shared.http.problem import STATUS
from tests import architecture as rules

PACKAGES = {"cockpit", "db", "projector", "read_side", "shared", "tests", "write_side"}
ROOMS = {
    "cockpit/admin",
    "cockpit/admin/static",
    "cockpit/admin/templates",
    "db/migrations",
    "db/sql",
    *(f"db/sql/{folder}" for folder in rules.STATEMENT_FOLDERS),
    "read_side/api",
    "shared/core",
    "shared/http",
    "tests/acceptance",
    "tests/bench",
    "tests/integration",
    "tests/unit",
    "write_side/api",
}
BESIDE = {".ci", "docs", "docs/decisions"}
RELEASES = "tests/upgrade"
"""What earlier releases left, a folder each."""
INTERNAL_ERRORS = {errors.CannotFold, errors.NotForward}
"""Faults of a log that the projector sets aside; no request is answered with one."""

NO_QUESTIONS = {"read/resolve_known_at", "read/notify_settle"}
"""Statements of the read side that no answer is made of."""

WORDS = [
    *("stream", "version", "position", "checkpoint", "command", "decider", "event", "upcaster", "projection"),
    *("valid time", "recorded time", "change point", "overlay", "lane", "parked"),
]
MODULES = rules.sources(".py")
OURS = {path: text for path, text in MODULES.items() if not path.startswith("tests/")}


def _named(classes: object) -> set[str]:
    return {cls.__name__ for cls in get_args(classes)}


def test_the_house_has_these_rooms_and_no_other() -> None:
    assert rules.folders(["a/b/c.py", "d.py"]) == {"a", "a/b"}
    found = rules.folders(rules.tracked_files())
    assert {path for path in found if not path.startswith(("docs", RELEASES))} == (PACKAGES | ROOMS | BESIDE) - {
        "docs",
        "docs/decisions",
    }
    assert {path for path in found if "/" not in path} == PACKAGES | {".ci", "docs"}
    assert {path.partition("/")[0] for path in MODULES} == PACKAGES | {"bootstrap.py"}


def test_every_statement_is_loaded_and_names_who_loads_it() -> None:
    folder = "db/sql/"
    statements = {
        path.removeprefix(folder).removesuffix(".sql"): text
        for path, text in rules.sources(".sql").items()
        if path.startswith(folder)
    }
    assert statements
    assert rules.wrong_statements(OURS, statements, Kind) == []


def test_every_question_to_the_read_model_tells_what_is_parked() -> None:
    asked = {path: text for path, text in OURS.items() if "_snapshots.fetch(" in text or "self.fetch(" in text}
    assert len(asked) > 1
    names = {name for text in asked.values() for name in rules.statements_named(text) if name.startswith("read/")}
    statements = {name: (rules.ROOT / "db/sql" / f"{name}.sql") for name in names - NO_QUESTIONS}
    found = {name: path.read_text(encoding="utf-8") for name, path in statements.items() if path.is_file()}
    assert len(found) > 10
    assert [name for name, text in found.items() if "AS parked" not in text] == []


@pytest.mark.parametrize(
    ("code", "sql", "wrong"),
    [
        ('statement("read/a")', "-- A; called by x/m.py.\nSELECT 1", []),
        ('n = "a"\nstatement(f"read/{n}")', "-- A; called by x/m.py.\nSELECT 1", []),
        ('class Q:\n    def ask(self): statement("read/a")', "-- A; for\n-- Q.ask.\nSELECT 1", []),
        ('statement("read/a")', "SELECT 1", ["read/a: no comment opens it"]),
        ('statement("read/a")', "-- A.\nSELECT 1", ["read/a: its comment names nobody who loads it"]),
        (
            'statement("read/a")',
            "-- A; called by x/n.py.\nSELECT 1",
            ["read/a: its comment names what is not there: x/n.py"],
        ),
        ('statement("read/a")', "-- For Q.ask.\nSELECT 1", ["read/a: its comment names what is not there: Q.ask"]),
        (
            'n = "b"\nstatement(f"read/{n}")',
            "-- A; called by x/m.py.\nSELECT 1",
            ["read/a: nothing loads it", "read/a: its comment names nobody who loads it"],
        ),
        (
            'statement("read/a"), statement("read/b")',
            "-- A; called by x/m.py.\nSELECT 1",
            ["x/m.py: no file for read/b"],
        ),
    ],
)
def test_a_statement_that_is_not_in_order_is_found(code: str, sql: str, wrong: list[str]) -> None:
    assert rules.wrong_statements({"x/m.py": code}, {"read/a": sql}) == wrong


def test_every_migration_says_what_it_is_for() -> None:
    for path, text in rules.sources(".sql").items():
        assert text.startswith("--"), path


def test_every_event_can_be_written_read_and_folded() -> None:
    events = _named(Event)
    assert events == upcasters.SCHEMA_VERSIONS.keys() == codec.EVENT_CLASSES.keys() == codec._DECODERS.keys()
    steps = {(name, n) for name, today in upcasters.SCHEMA_VERSIONS.items() for n in range(1, today)}
    assert steps == upcasters.UPCASTERS.keys()
    assert _named(EntityEvent) | _named(RegistryEvent) | {ExternalKeyClaimed.__name__} == events
    assert rules.matched_classes(OURS["shared/core/assertions.py"], "assertions") == _named(EntityEvent)
    assert rules.matched_classes(OURS["write_side/registry.py"], "evolve") == _named(RegistryEvent)


def test_a_fold_that_forgets_an_event_is_found() -> None:
    code = "def evolve(e):\n    match e:\n        case A():\n            pass\n        case _:\n            pass"
    assert rules.matched_classes(code, "evolve") == {"A"}


def test_every_word_and_every_event_stands_in_the_glossary() -> None:
    assert rules.without_line("| `A`, b | what it is |\n| C |  |\n", ["A", "b", "C", "d"]) == ["C", "d"]
    glossary = (rules.ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert rules.without_line(glossary, [*WORDS, *_named(Event)]) == []


def test_only_the_edge_knows_the_web_framework() -> None:
    bad = {"db/x.py": "def f():\n    from starlette.requests import Request", "shared/http/y.py": "import fastapi"}
    assert rules.frameworks_outside(bad) == ["db/x.py: starlette"]
    assert rules.frameworks_outside(OURS) == []


def test_no_file_is_too_long() -> None:
    assert rules.too_long({"a.py": "\n" * 300, "b.py": "\n" * 301}) == ["b.py: 301 lines"]
    assert rules.too_long(rules.sources(".py", ".sql")) == []


def test_every_module_says_why_it_exists() -> None:
    assert rules.without_docstring({"a.py": "x = 1", "b.py": '"""B."""'}) == ["a.py"]
    assert rules.without_docstring(MODULES) == []


def test_every_error_of_the_domain_has_a_status() -> None:
    found = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.CockpitError)}
    assert found - {errors.CockpitError} == STATUS.keys() | INTERNAL_ERRORS
    assert STATUS.keys().isdisjoint(INTERNAL_ERRORS)
    for cls in found - {errors.CockpitError}:
        assert cls.code != errors.CockpitError.code, cls


def test_the_lock_file_holds_names_and_hashes_alone() -> None:
    line = re.compile(r"[\w.-]+==\S+( ; [^:]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert not line.fullmatch("--index-url https://packages.example/simple")
    assert not line.fullmatch("a @ https://packages.example/a.whl")
    lock = (rules.ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert [text for text in lock.splitlines() if not line.fullmatch(text)] == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    home = str(Path("/", "home", "jo", "cockpit"))
    assert rules.machine_paths({"a": f"cd {home}", "b": f"https://example.com{home}"}) == ["a: /home" + "/jo"]
    assert rules.machine_paths(rules.sources("", "")) == []
