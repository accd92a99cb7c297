"""Kill -9 of `cockpit rebuild` in every phase under reads and writes: nothing is lost or doubled, the next one succeeds."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest

from projector.sets import LIVE, NEXT
from tests.acceptance.processes import until
from tests.acceptance.service import Service, Start, command, process
from tests.appending import Append, append
from tests.integration.projecting import JOHN, revised, uid
from shared.core.events import entity_stream

PHASES = ("load", "index", "catch_up", "compare", "switch")
KILLS = 3
EVENTS = 3000

HOLD = {
    "load": "LOCK TABLE {next}.parked_event IN ACCESS EXCLUSIVE MODE",
    "index": "LOCK TABLE {next}.entity_type IN ROW EXCLUSIVE MODE",
    "catch_up": "SELECT FROM {next}.checkpoint FOR UPDATE",
    "compare": "LOCK TABLE {next}.audit_entry IN ACCESS EXCLUSIVE MODE",
    "switch": "SELECT pg_advisory_lock_shared(4011, 2)",
}
