"""The README as tests read it: its sections, its SQL, its tables."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return what stands under a heading, up to the next."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(title: str, language: str) -> list[str]:
    """Return the code blocks of a language under a heading."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


def statements(title: str) -> list[tuple[str, str]]:
    """Return each SQL statement under a heading with the last comment above it, white space made one blank."""
    found, comment = [], ""
    for block in blocks(title, "sql"):
        for part in block.split(";\n"):
            comments = re.findall(r"^-- (.*)$", part, re.MULTILINE)
            comment = comments[-1] if comments else comment
            if text := " ".join(re.sub(r"^--.*$", "", part, flags=re.MULTILINE).split()):
                found.append((comment, text))
    return found


def as_pattern(expected: str) -> str:
    """Return a regular expression for an expected output: … stands for anything."""
    return ".*".join(map(re.escape, expected.rstrip("\n").split("…")))
