"""The limit of a rebuild: the same rows, COPYed into bare tables that get constraints and indexes afterwards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

COPIED = "read_model_copied"
OBJECTS = """
SELECT kind, name, regexp_replace(command, '\\mread_model\\.', 'read_model_copied.', 'g')
FROM projection.definitions('read_model')
WHERE kind IN ('table', 'constraint', 'index') ORDER BY ordinal
"""
WORK_MEMORY = "SET maintenance_work_mem = '128MB'"
"""As much as a rebuild takes to make an index."""
BLOCK = 1 << 18


class Copying:
    """The tables of a read model in files, to be copied back as often as one likes."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        self._conninfo = conninfo
        self._files: dict[str, Path] = {}
        self.rows = 0
        with psycopg.connect(conninfo) as connection:
            for _, name in self._objects(connection, "table"):
                self._files[name] = folder / f"{name}.copy"
                self.rows += self._keep(connection, name)

    def seconds(self) -> float:
        """Return how long it takes, commit and all; the tables are dropped again."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(WORK_MEMORY)
            connection.execute(f"CREATE SCHEMA {COPIED}".encode())
            try:
                began = time.perf_counter()
                for command, _ in self._objects(connection, "table"):
                    connection.execute(command.encode())
                for name, file in self._files.items():
                    self._load(connection, name, file)
                for kind in ("constraint", "index"):
                    for command, _ in self._objects(connection, kind):
                        connection.execute(command.encode())
                for name in self._files:
                    connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(COPIED, name)))
                return time.perf_counter() - began
            finally:
                connection.execute(f"DROP SCHEMA {COPIED} CASCADE".encode())

    def _objects(self, connection: psycopg.Connection[Any], wanted: str) -> list[tuple[str, str]]:
        return [(command, name) for kind, name, command in connection.execute(OBJECTS).fetchall() if kind == wanted]

    def _keep(self, connection: psycopg.Connection[Any], name: str) -> int:
        command = sql.SQL("COPY read_model.{} TO STDOUT (FORMAT binary)").format(sql.Identifier(name))
        with self._files[name].open("wb") as file, connection.cursor() as cursor:
            with cursor.copy(command) as copy:
                for block in copy:
                    file.write(block)
            return cursor.rowcount

    def _load(self, connection: psycopg.Connection[Any], name: str, file: Path) -> None:
        command = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(COPIED, name))
        with file.open("rb") as kept, connection.cursor() as cursor, cursor.copy(command) as copy:
            while block := kept.read(BLOCK):
                copy.write(block)
