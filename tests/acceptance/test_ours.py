"""The list of our own rules names each once; that their tests are there, run and pass is kept by promises.py."""

from __future__ import annotations

from tests.acceptance.ours import OURS


def test_every_rule_is_named_once() -> None:
    rules = [rule for rule, _, _ in OURS]
    assert len(rules) == len(set(rules))
