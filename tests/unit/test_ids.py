"""Ids tell apart whatever they are given to, in whichever process: their last 48 bits are all chance."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.architecture import ROOT
from write_side import ids

MANY = 2 * ids.FETCHED_BYTES // ids.CHANCE_BYTES
"""How many ids take more chance than is fetched at a time."""

FORKED = """
import os
from write_side import ids
ids.uuid7()
child = os.fork()
if child:
    os.waitpid(child, 0)
print(str(ids.uuid7())[-12:], flush=True)
"""


def test_an_id_has_the_form_of_version_7_and_its_time() -> None:
    before = time.time_ns() // 1_000_000
    uid = ids.uuid7()
    assert (uid.version, uid.variant) == (7, "specified in RFC 4122")
    assert before <= uid.int >> 80 <= time.time_ns() // 1_000_000


def test_no_two_ids_have_the_same_chance() -> None:
    assert len({str(ids.uuid7())[-12:] for _ in range(MANY)}) == MANY


def test_a_process_that_is_forked_has_chance_of_its_own() -> None:
    told = subprocess.check_output([sys.executable, "-c", FORKED], cwd=ROOT, text=True)
    ours, theirs = told.split()
    assert len(ours) == len(theirs) == 12
    assert ours != theirs
