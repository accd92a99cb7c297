"""The peer: the same change and the same kind of projection with the library `eventsourcing`, in a process of its own.

`save SECONDS`: new aggregates with a name, a type and three details, each saved in a transaction of its own. `project
EVENTS`: a backlog is made, then its projection runner upserts a row an event. Prints `rate N`.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner


class Person(Aggregate):  # type: ignore[misc]  # it is installed for a run alone
    @event("Registered")  # type: ignore[untyped-decorator]
    def __init__(self, display_name: str, entity_type: str, details: dict[str, str]) -> None:
        self.display_name, self.entity_type, self.details = display_name, entity_type, details


class App(Application):  # type: ignore[misc]
    pass


class View(PostgresTrackingRecorder):  # type: ignore[misc]
    def put(self, uid: Any, name: str, version: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO person VALUES (%s, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version",
                (uid, name, version),
                prepare=True,
            )


class People(Projection[View]):  # type: ignore[misc]
    name = "people"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.put(domain_event.originator_id, domain_event.display_name, domain_event.originator_version, tracking)


def person(number: int) -> Any:
    details = {
        "EMAIL": f"somebody.{number}@example.com",
        "PHONE": f"+1-202-{number}",
        "ADDRESS": f"{number} Main Street, Springfield",
    }
    return Person(f"Somebody {number}", "PERSON", details)


def save(app: App, seconds: float) -> float:
    began, saved = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        app.save(person(saved))
        saved += 1
    return saved / (time.perf_counter() - began)


def project(app: App, events: int) -> float:
    names = ("DBNAME", "HOST", "PORT", "USER", "PASSWORD")
    given = {name.lower(): os.environ[f"POSTGRES_{name}"] for name in names}
    with psycopg.connect(**given) as connection:  # type: ignore[arg-type]
        connection.execute("CREATE TABLE IF NOT EXISTS person (id uuid PRIMARY KEY, name text, version int)")
    view = View(app.factory.datastore, tracking_table_name="people_tracking")
    view.create_table()
    done = view.max_tracking_id(app.name) or 0
    for first in range(0, events, 100):
        app.save(*[person(number) for number in range(first, min(first + 100, events))])
    head = app.recorder.max_notification_id()
    began = time.perf_counter()
    with ProjectionRunner(application_class=App, projection_class=People, view_class=View) as runner:
        runner.wait(head, timeout=600)
        return float((head - done) / (time.perf_counter() - began))


def main(what: str, much: str) -> None:
    app = App()
    rate = save(app, float(much)) if what == "save" else project(app, int(float(much)))
    app.close()
    print(f"rate {rate:.1f}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
