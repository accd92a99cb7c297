"""Ids tell apart whatever they are given to, in whichever process."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.architecture import ROOT
from write_side import ids

MANY = 2 * ids.FETCHED_BYTES // ids.SALT_BYTES
"""How many salts take more chance than is fetched at a time."""

FORKED = """
import os
from write_side import ids
ids.salt()
child = os.fork()
if child:
    os.waitpid(child, 0)
print(ids.salt().hex(), flush=True)
"""


def test_an_id_has_the_form_of_version_7_and_its_time() -> None:
    before = time.time_ns() // 1_000_000
    uid = ids.uuid7()
    assert (uid.version, uid.variant) == (7, "specified in RFC 4122")
    assert before <= uid.int >> 80 <= time.time_ns() // 1_000_000


def test_no_two_ids_and_no_two_salts_are_equal() -> None:
    assert len({ids.uuid7() for _ in range(MANY)}) == MANY
    salts = {ids.salt() for _ in range(MANY)}
    assert len(salts) == MANY
    assert {len(salt) for salt in salts} == {ids.SALT_BYTES}


def test_a_process_that_is_forked_has_chance_of_its_own() -> None:
    told = subprocess.check_output([sys.executable, "-c", FORKED], cwd=ROOT, text=True)
    ours, theirs = told.split()
    assert len(ours) == len(theirs) == 2 * ids.SALT_BYTES
    assert ours != theirs
