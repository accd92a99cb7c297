"""The rules of the house as functions: each takes what it judges and returns what is wrong with it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_OURS = {".git", ".venv", ".data", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
MAX_LINES = 300
PACKED = (".xz",)
FRAMEWORKS = {"fastapi", "fastapi_offline", "starlette", "pydantic", "pydantic_core", "pydantic_settings"}
HTTP_PLACES = ("cockpit/", "read_side/api/", "shared/http/", "write_side/api/", "shared/settings.py")
STATEMENT_FOLDERS = ("auth", "migrate", "projector", "read", "write")
STATEMENT = re.compile(rf"({'|'.join(STATEMENT_FOLDERS)})/[a-z_]+")
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:work|home|root|Users|mnt|workspace)/[\w.-]+")

Sources = Mapping[str, str]
"""Texts by their path from the root."""


def tracked_files() -> list[str]:
    """Return the files of the repository; where git cannot tell, all but what the tools leave behind."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = listed.stdout.splitlines()
    else:
        found = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    return sorted(path for path in found if (ROOT / path).is_file() and NOT_OURS.isdisjoint(Path(path).parts))


def sources(*suffixes: str) -> dict[str, str]:
    """Return the texts of the files with these endings, but for what is packed."""
    found = [path for path in tracked_files() if path.endswith(suffixes) and not path.endswith(PACKED)]
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in found}


def folders(paths: Iterable[str]) -> set[str]:
    """Return every folder that holds one of the files, however deep."""
    return {str(parent) for path in paths for parent in Path(path).parents} - {"."}


def too_long(texts: Sources) -> list[str]:
    """Return the files with too many lines."""
    counted = {path: len(text.splitlines()) for path, text in texts.items()}
    return [f"{path}: {count} lines" for path, count in counted.items() if count > MAX_LINES]


def without_docstring(modules: Sources) -> list[str]:
    """Return the modules that do not say why they exist."""
    return [path for path, text in modules.items() if not ast.get_docstring(ast.parse(text))]


def imports(text: str) -> set[str]:
    """Return the top-level names of what a module imports."""
    nodes = list(ast.walk(ast.parse(text)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | named}


def frameworks_outside(modules: Sources) -> list[str]:
    """Return the modules of ours that know the web framework where only the edge may."""
    return [
        f"{path}: {', '.join(sorted(found))}"
        for path, text in modules.items()
        if not path.startswith((*HTTP_PLACES, "tests/")) and (found := imports(text) & FRAMEWORKS)
    ]


def machine_paths(texts: Sources) -> list[str]:
    """Return where a path of somebody's machine is written down."""
    return [f"{path}: {match[0]}" for path, text in texts.items() for match in MACHINE_PATH.finditer(text)]


def matched_classes(text: str, function: str) -> set[str]:
    """Return the classes that the `case` branches of a function name."""
    (found,) = (
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef) and node.name == function
    )
    return {
        node.cls.id for node in ast.walk(found) if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name)
    }


def without_line(text: str, words: Iterable[str]) -> list[str]:
    """Return the words that no row of a table explains."""
    rows = re.findall(r"^\| ([^|]+?) \| [^|]*\w[^|]* \|$", text, re.MULTILINE)
    explained = {word.strip(" `") for row in rows for word in row.split(",")}
    return sorted(set(words) - explained)


# --- statements ----------------------------------------------------------------------------------------------------


def statements_named(text: str, words: Iterable[str] = ()) -> set[str]:
    """Return the names of statements that a module can come to: written out, or put together by its f-strings.

    A hole of an f-string is filled with every word that the module itself writes, and with `words` (enumerations that
    it takes from elsewhere): more than it does at run time, never less. Words put together are words again.
    """
    nodes = list(ast.walk(ast.parse(text)))
    written = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    shapes = [node.values for node in nodes if isinstance(node, ast.JoinedStr)]
    known = {word for word in {*written, *words} if re.fullmatch(r"[a-z_]+", word)}
    made: set[str] = set()
    for _ in range(2):  # a word put together may fill a hole again
        made = {name for shape in shapes for name in _filled(shape, known)}
        known |= {name for name in made if re.fullmatch(r"[a-z_]+", name)}
    return {name for name in written | made if STATEMENT.fullmatch(name)}


def _filled(shape: list[ast.expr], words: set[str]) -> Iterator[str]:
    holes = sum(isinstance(part, ast.FormattedValue) for part in shape)
    fixed = "".join(str(part.value) for part in shape if isinstance(part, ast.Constant))
    if holes == 1 and re.fullmatch(r"[a-z_/]+", fixed):
        for values in product(words, repeat=holes):
            left = iter(values)
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else next(left) for part in shape)


def wrong_statements(modules: Sources, statements: Sources, words: Iterable[str] = ()) -> list[str]:
    """Return what does not fit between the modules and the files of statements, by name without folder and ending."""
    loads = {path: statements_named(text, words) for path, text in modules.items()}
    written = {path: statements_named(text) for path, text in modules.items()}
    missing = [
        f"{path}: no file for {name}"
        for path, names in written.items()
        for name in sorted(names - statements.keys())
        if f'"{name}"' in modules[path]
    ]
    unused = [f"{name}: nothing loads it" for name in statements if not any(name in names for names in loads.values())]
    methods = {path: _methods(text) for path, text in modules.items()}
    wrong = [
        f"{name}: {fault}" for name, text in statements.items() if (fault := _wrong_comment(name, text, loads, methods))
    ]
    return missing + unused + wrong


def _wrong_comment(name: str, text: str, loads: Mapping[str, set[str]], methods: Mapping[str, set[str]]) -> str | None:
    """Return what is wrong with the comment that opens a statement: it says what for, and who asks."""
    opening = re.match(r"(--[^\n]*\n)+", text)
    if opening is None:
        return "no comment opens it"
    comment = re.sub(r"\n?-- ?", " ", opening[0])
    files = set(re.findall(r"\b[a-z_]+/[a-z_/]+\.py\b", comment))
    for method in re.findall(r"\b[A-Z]\w*\.[a-z_]+", comment):
        files |= {path for path, names in methods.items() if method in names} or {method}
    unknown = sorted(files - methods.keys())
    if unknown:
        return f"its comment names what is not there: {', '.join(unknown)}"
    callers = [path for path in files if name in loads[path]]
    return None if callers else "its comment names nobody who loads it"


def _methods(text: str) -> set[str]:
    """Return the methods of a module's classes, each as Class.method."""
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    return {
        f"{node.name}.{part.name}"
        for node in classes
        for part in node.body
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    }
