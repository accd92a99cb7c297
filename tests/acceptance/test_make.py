"""The make targets and the files of the containers are what the README and the original's README say.

What needs an engine is run by tests/compose.sh (`make test-compose`).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.reload import PACKAGES
from shared.settings import Settings
from tests.acceptance.making import HOME, make

HELP = """\
Development commands (local):
  make dev-venv        - Create virtual environment
  make dev-setup       - Setup development environment
  make dev-run         - Run development server
  make dev-migrate     - Run migrations locally
  make dev-fixtures    - Load fixtures locally
  make dev-shell       - Open Cockpit shell locally
  make dev-test        - Run tests locally

Docker commands:
  make up              - Start both database and application
  make up-dev          - Start development with hot reload
  make up-db           - Start only database
  make up-app          - Start only application
  make down            - Stop all services
  make logs            - Show application logs
  make migrate         - Run database migrations (Docker)
  make fixtures        - Load fixtures (Docker)
  make clean           - Clean up containers and volumes
"""
DOCKER = [*re.findall(r"make (\S+)", HELP.split("Docker commands:")[1]), "up-split", "test-compose"]


def test_help_lists_the_originals_targets_in_its_two_groups() -> None:
    assert make("help").stdout.startswith(HELP)
    assert make().stdout == make("help").stdout


def test_every_target_is_phony_and_told_by_help() -> None:
    text = (HOME / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):(?!=)", text, re.MULTILINE))
    phony = {name for line in re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE) for name in line.split()}
    assert phony == targets
    assert {*re.findall(r"make (\S+)", make("help").stdout), "help", "python"} == targets


@pytest.mark.parametrize("target", DOCKER)
def test_without_an_engine_a_docker_target_says_so_in_one_line(target: str) -> None:
    ran = make(target)
    assert ran.returncode != 0
    assert (ran.stdout + ran.stderr).count("\n") == 1
    assert "needs Docker" in ran.stderr


def test_a_saved_file_is_served_and_a_broken_one_waits_for_the_next_save(tmp_path: Path, empty_database: str) -> None:
    for package in PACKAGES:
        shutil.copytree(HOME / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    application = tmp_path / "cockpit/app.py"
    source = application.read_text()
    settings = {"COCKPIT_DATABASE_URL": empty_database, "COCKPIT_PORT": "0"}
    command = [sys.executable, "-m", "cockpit", "serve", "--reload"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            shown = iter(process.stdout.readline, "")
            address = _address(shown)
            assert b'"title":"Cockpit"' in _openapi(address)
            application.write_text("broken = (")
            assert any("SyntaxError" in line for line in shown)
            application.write_text(source.replace('title="Cockpit"', 'title="Saved"'))
            assert b'"title":"Saved"' in _openapi(_address(shown))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
    assert process.returncode == 0


def _address(lines: Iterator[str]) -> str:
    return next(found[1] for line in lines if (found := re.search(r"API +(http://[\d.:]+)/", line)))


def _openapi(address: str) -> bytes:
    with urllib.request.urlopen(f"{address}/openapi.json", timeout=10) as answer:  # noqa: S310  # our own address
        return bytes(answer.read())


def test_the_two_env_files_are_one() -> None:
    assert (HOME / ".env.example").read_text() == (HOME / "env.example").read_text()


def test_the_env_file_sets_only_what_there_is_and_to_its_default() -> None:
    text = (HOME / "env.example").read_text()
    known = {f"COCKPIT_{name.upper()}": field.default for name, field in Settings.model_fields.items()}
    ours = dict(re.findall(r"^(COCKPIT_\w+)=(.*)$", text, re.MULTILINE))
    assert ours
    assert ours == {name: str(known[name]).lower() for name in ours}
    assert set(re.findall(r"^# (COCKPIT_\w+)=", text, re.MULTILINE)) <= known.keys()


def test_compose_and_the_env_file_agree_on_names_and_defaults() -> None:
    compose, text = (HOME / "compose.yaml").read_text(), (HOME / "env.example").read_text()
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", compose))
    given = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    offered = set(re.findall(r"^# ([A-Z_]+)=", text, re.MULTILINE))
    both = given.keys() & used.keys()
    assert {name: used[name] for name in both} == {name: given[name] for name in both}
    assert used.keys() - given.keys() - offered == {"COCKPIT_IMAGE"}


def test_docker_understands_compose_yaml() -> None:
    """Where Compose is at hand; else tests/compose.sh alone shows it."""
    compose = ["docker", "compose"]
    if (
        shutil.which("docker")
        and subprocess.run([*compose, "version"], capture_output=True, check=False).returncode == 0
    ):
        subprocess.run([*compose, "--profile", "dev", "--profile", "split", "config", "--quiet"], cwd=HOME, check=True)


def test_image_and_reload_know_every_package() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    kept = re.findall(r"^!(\w+)$", (HOME / ".dockerignore").read_text(), re.MULTILINE)
    assert list(PACKAGES) == packages == kept
