"""Every setting of the service, from the environment or `.env`: names begin with COCKPIT_."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator can set; durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="COCKPIT_", env_file=".env", extra="ignore", frozen=True)

    environment: Literal["development", "test", "production"] = "development"
    debug: bool = False
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    data_dir: Path = Path(".data")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    database_url: SecretStr | None = None
    """A PostgreSQL of one's own; without it an embedded one runs under data_dir."""
    write_database_url: SecretStr | None = None
    read_database_url: SecretStr | None = None
    project_database_url: SecretStr | None = None
    """One DSN a side, each of a login that is a member of that side's role; else database_url serves all."""
    pool_size: int = Field(8, ge=2, le=100)

    page_size: int = Field(10, ge=1, le=500)
    wait_seconds: float = Field(2.0, ge=0, le=60)
    """How long a read waits for its min_position."""
    heartbeat_seconds: float = Field(15.0, gt=0, le=300)
    """How often a stream of events says that it is there, and looks whether its token still opens it."""
    poll_seconds: float = Field(1.0, gt=0)
    """How often the projector looks for events when no notification comes."""
    replay_seconds: float = Field(300.0, ge=0, le=31_536_000)
    """Within which an identical POST without Idempotency-Key gets the first answer again; 0 turns it off."""
    require_if_match: bool = False
    max_body_bytes: int = Field(1_048_576, ge=1024)
    queue_commands: int = Field(2000, ge=1)
    queue_bytes: int = Field(134_217_728, ge=1_048_576)
    """How many commands may wait, and how large they may be together, before a client gets 503."""
    batch_commands: int = Field(500, ge=1)
    batch_events: int = Field(1000, ge=1)
    """How many events the projector folds in one transaction."""

    public_reads: bool | None = None
    """Whether reads need no token; when not set: yes, except in production."""
    token_ttl: float | None = Field(None, gt=0)
    login_failures: int = Field(10, ge=1)
    """How many failed log-ins an (account, address) has before it must wait; one comes back every 30 seconds."""
    trusted_proxies: str = ""
    """Addresses, separated by commas, whose X-Forwarded-For is believed; * for all."""
    cors_origins: str = ""
    """Origins, separated by commas, whose pages may call the API; * for all."""

    @property
    def side_urls(self) -> dict[str, SecretStr]:
        """The DSNs of the sides that have one of their own."""
        urls = {"write": self.write_database_url, "read": self.read_database_url, "project": self.project_database_url}
        return {side: url for side, url in urls.items() if url is not None}

    @property
    def reads_are_public(self) -> bool:
        """Whether a read needs no token."""
        return self.environment != "production" if self.public_reads is None else self.public_reads
