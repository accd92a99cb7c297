"""docs/original.md leaves nothing of the original's README out, and names proofs that are there.

That README is not in the repository; what it holds is listed here. That the named tests run and pass in a run of the
whole suite is kept by tests/promises.py.
"""

from __future__ import annotations

import re

import pytest

from tests.architecture import ROOT
from tests.promises import TEST, lists, rows, without_test

TEXT = (ROOT / "docs" / "original.md").read_text(encoding="utf-8")
ROWS = list(rows(TEXT))
STEP = re.compile(r"`make test-compose: ([^`]+)`")
FACTS = {
    "section": """
        Key Features; Getting Started; Option 1: Local Development (Recommended); Option 2: Full Docker Development;
        Available Makefile Commands; API Usage & Postman; Architecture & Design; Database & Performance;
        Project Structure; Technologies Used
    """,
    "subsection": """
        Prerequisites; Development Options; 1. Clone & Configure; 2. Understanding the Makefile;
        3. Set Up Virtual Environment; 4. Configure Environment Variables; 5. Start the Database;
        6. Install Dependencies; 7. Run Database Migrations; 8. Load Initial Data (Fixtures);
        9. Create a Superuser (Optional); 10. Run the Development Server; 2. Configure Environment Variables;
        3. Start All Services; 4. Run Migrations & Load Data; 5. Access the Application; Development Commands (Local);
        Docker Commands; Authentication; Postman Collection; API Endpoint Examples; Ping Endpoint; Core Principles;
        Data Model; Service Layer; Key Constraints; Performance & Indexing; Troubleshooting; Known Limitations
    """,
    "feature": """
        SCD Type 2 Versioning; Temporal Queries; Idempotent Operations; Database-First Constraints;
        Service-Oriented Architecture; Comprehensive Audit Trail; DRF Token Authentication; Python 3.10+;
        Docker & Docker Compose; Git; Local Development; Full Docker; View all available commands;
        Key Makefile features; Development commands (local); Docker commands; Simplified workflow;
        Consistent interface; Error handling; Documentation; What happens during environment setup;
        Virtual Environment Creation; Isolation; Step-by-step process; Activation;
        Manual environment creation; Single Shared Core; SCD2 In-Table Versioning; Idempotency; Audit-First Design;
        Service Layer Architecture; AuditService; HashService; SCD2Service; DateTimeService; PaginationService;
        EntityService; AsOfService; DiffService; HistoryService; Overlapping Periods Error; Poor Performance;
        Authentication Issues; Missing Data; No Batch Ingestion; No Materialized Views; Django 5.2+;
        Django REST Framework 3.16+; PostgreSQL 15.2; btree_gist; django-environ; psycopg; python-dateutil
    """,
    "target": """
        `make help`; `make dev-venv`; `make dev-setup`; `make dev-run`; `make dev-migrate`; `make dev-fixtures`;
        `make dev-shell`; `make dev-test`; `make up`; `make up-dev`; `make up-db`; `make up-app`; `make down`;
        `make logs`; `make migrate`; `make fixtures`; `make clean`
    """,
    "command": """
        `git clone`; `python -m venv .venv`; `source .venv/bin/activate`; `cp env.example .env`;
        `docker compose -f docker-compose.pg.yml up -d`; `python manage.py createsuperuser`;
        `python manage.py drf_create_token user_1`; `python manage.py loaddata entity/fixtures/*.json`
    """,
    "endpoint": """
        POST /api/v1/auth/token; GET /ping/; GET /api/v1/entities; ?q=search&type=PERSON;
        GET /api/v1/entities/{entity_uid}; POST /api/v1/entities; PATCH /api/v1/entities/{entity_uid};
        GET /api/v1/entities-asof/?as_of=2024-01-15T10:30:00Z; GET /api/v1/diff/?from=2024-01-01&to=2024-01-31;
        Authorization: Token; {{baseUrl}}; http://127.0.0.1:8000/; Username: `user_1`, Password: `1234`;
        Username: `user_2`, Password: `1234`; Authentication, `POST;
        Ping, `GET; List Entities; Get Entity Snapshot; Create Entity; Update Entity; As-Of Query; Diff Query;
        GET is public; POST, PATCH, PUT and DELETE need a token
    """,
    "answer of ping": """
        "status"; "timestamp"; "environment"; `debug`; `environment`; `python_version`; `django_version`; "database";
        "features"; `scd2_versioning`; `temporal_queries`; `audit_logging`; `token_auth`; "endpoints"; `api_base`;
        `admin`; `ping`; 200 OK; 503 Service Unavailable; Docker health checks; load balancers; diagnostics;
        environment verification
    """,
    "constraint, index or query": """
        unique_current_entity`; unique_current_entity_detail; exclude_overlapping_entities; Current Entity Lookup;
        ent_uid_curr_cov_idx; As-Of Temporal Query; ent_valid_from_cov_idx; Entity Details Lookup;
        det_ent_curr_cov_idx; Hashdiff-based Idempotency; det_hashdiff_cov_idx; EXPLAIN ANALYZE Example;
        entity_valid_from_covering_idx
    """,
    "file": """
        `app/`; `app/health.py`; `app/settings.py`; `entity/`; `entity/fixtures/`; `005_users.json`;
        `entity/migrations/`; `entity/models/`; `entity/models/entity.py`; `entity/models/detail.py`;
        `entity/models/type.py`; `entity/models/audit.py`; `entity/services/`; `entity/services/entity.py`;
        `entity/services/asof.py`; `entity/services/diff.py`; `entity/services/history.py`; `entity/serializers/`;
        `entity/views/`; `entity/views/entity.py`; `entity/views/temporal.py`; `entity/middleware.py`;
        `entity/urls.py`; `services/`; `services/audit.py`; `services/hash.py`; `services/scd2.py`;
        `services/datetime.py`; `services/pagination.py`; `.env.example`; `docker-compose.yml`;
        `docker-compose.dev.yml`; `docker-compose.pg.yml`; `docker-compose.app.yml`; `Dockerfile`; `Makefile`;
        `manage.py`; `pyproject.toml`; `README.md`; `Management Cockpit CRM.postman_collection.json`
    """,
}


def where(kind: str) -> list[str]:
    """Return the texts in one of which a fact of this kind must stand."""
    if kind == "section":
        return re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    promised = [cell for cell, _, _ in ROWS]
    return (
        [bold for cell in promised for bold in re.findall(r"\*\*(.+?)\*\*", cell)] if kind == "subsection" else promised
    )


@pytest.mark.parametrize("kind", FACTS)
def test_everything_that_the_original_names_has_its_row(kind: str) -> None:
    facts = [fact for line in FACTS[kind].split(";") if (fact := " ".join(line.split()))]
    exact = kind in {"section", "subsection"}
    places = where(kind)
    assert [fact for fact in facts if not (fact in places if exact else any(fact in place for place in places))] == []


def test_every_row_names_a_proof_or_says_why_it_has_none() -> None:
    assert len(ROWS) == len([line for line in TEXT.splitlines() if line.startswith("| ")]) - TEXT.count("| proof |")
    unproven = [row for row in ROWS if not TEST.search(row[2]) and not row[2].startswith("Nothing to prove: ")]
    assert unproven == []


@pytest.mark.parametrize("name", lists())
def test_every_test_that_is_named_is_there(name: str) -> None:
    assert lists()[name]
    assert without_test(lists()[name]) == []


def test_every_step_that_is_named_is_one_of_compose_sh() -> None:
    script = (ROOT / "tests" / "compose.sh").read_text(encoding="utf-8")
    steps = re.findall(r'^step "(.*)"$', script, re.MULTILINE)
    named = {step for _, _, proof in ROWS for step in STEP.findall(proof)}
    assert named
    assert [step for step in named if not any(step in line for line in steps)] == []


def test_every_file_of_ours_that_is_named_is_there() -> None:
    named = {path for _, here, _ in ROWS for path in re.findall(r"`(\w+(?:/[\w.-]+)+/?)`", here)}
    assert "cockpit/health.py" in named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", ["original.md", "changed-for-old-clients.md"])
def test_the_links_lead_somewhere(document: str) -> None:
    found = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "docs" / document).read_text(encoding="utf-8"))
    assert found
    assert [path for path in found if not (ROOT / "docs" / path).exists()] == []
