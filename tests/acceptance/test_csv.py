"""CSV from the service as it runs: whole or broken off, and never the look of a whole one that is not."""

from __future__ import annotations

import csv
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.acceptance.processes import running
from tests.acceptance.service import Service
from tests.integration.filling import FILL

MANY = 1600
URL = "/api/v1/entities?format=csv&order=display_name"


def test_the_sample_data_as_a_table(service: Service) -> None:
    answer = service.get("entities?q=tony", headers={"Accept": "text/csv, application/json;q=0.5"})
    head, row = csv.reader(answer.text.splitlines())
    details = [name for name in head if name.startswith("details.")]  # other tests of the service register types
    assert (head[7], details) == ("hashdiff", sorted(details))
    told = {name: value for name, value in zip(head, row, strict=True) if name in details and value}
    assert told == {"details.EMAIL": "tony@stark.com", "details.PHONE": "+1-917-555-0808"}
    assert answer.headers["transfer-encoding"] == "chunked"
    with service.client.stream("HEAD", URL) as empty:
        assert empty.status_code == 200
        assert empty.headers["content-type"].startswith("text/csv")
        assert not b"".join(empty.iter_bytes())


def test_a_table_that_cannot_be_ended_breaks_off(unchecked_database: str, tmp_path: Path) -> None:
    with psycopg.connect(unchecked_database, autocommit=True) as connection:
        connection.execute(FILL.replace("100000", str(MANY)).encode())
        connection.execute("INSERT INTO read_model.detail_type VALUES ('EMAIL', 'E-mail', '', true)")
        with running("api", "--side", "read", folder=tmp_path, database_url=unchecked_database) as process:
            whole = httpx2.get(f"{process.url}{URL}", timeout=30)
            assert len(whole.content.splitlines()) == 1 + MANY
            connection.execute(
                "UPDATE read_model.entity_detail_version d SET detail_type = 'FAX' FROM read_model.entity_version e"
                " WHERE e.entity_uid = d.entity_uid AND e.display_name = 'Name 999'"
            )
            received: list[bytes] = []
            with httpx2.stream("GET", f"{process.url}{URL}", timeout=30) as broken:
                assert broken.status_code == 200
                with pytest.raises(httpx2.RemoteProtocolError):
                    received.extend(broken.iter_bytes())
            assert whole.content.startswith(b"".join(received))
            assert 500 < len(b"".join(received).splitlines()) < MANY
            assert httpx2.get(f"{process.url}/livez").status_code == 200
            assert process.stop() == 0
