"""The audit log: settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.sections.base import Section


class AuditReceiverSettings(Section):
    """Where the log is sent as well, such as a SIEM: a syslog server (host) or an HTTP collector (url)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="unique; shown in logs and metrics")
    host: str | None = Field(None, description="syslog server (RFC 5424)")
    port: int = Field(6514, ge=1, le=65535, description="its TCP port")
    tls: bool = Field(True, description="False sends in clear (RFC 6587 framing)")
    tls_ca: Path | None = Field(None, description="PEM authorities of it; the system's when not set")
    url: SecretStr | None = Field(None, description="or an http or https address; never shown")
    authorization: SecretStr | None = Field(None, description="Authorization header for it")

    @model_validator(mode="after")
    def _one_way(self) -> AuditReceiverSettings:
        if (self.host is None) == (self.url is None):
            raise ValueError("set one of host and url")
        if self.url is not None and urlsplit(self.url.get_secret_value()).scheme not in ("http", "https"):
            raise ValueError("url: not an http or https address")
        return self


class AuditSettings(Section):
    """Who did what."""

    enabled: Literal["auto", "on", "off"] = Field(
        "auto", description="auto writes the log wherever the server asks who somebody is"
    )
    folder: Path = Field(
        Path("~/.local/share/yuetone/audit"), description="where it is written; a disk of its own is wise"
    )
    origin: str = Field(
        "yuetone.local/audit", pattern=r"^[^\s+]{1,128}$", description="name of the log in its checkpoints"
    )
    keep_months: int = Field(84, ge=1, description="months after which a segment is deleted whole")
    receivers: tuple[AuditReceiverSettings, ...] = Field(
        (), max_length=10, description="where records and checkpoints are sent as well"
    )

    @field_validator("receivers")
    @classmethod
    def _one_name_each(
        cls, receivers: tuple[AuditReceiverSettings, ...]
    ) -> tuple[AuditReceiverSettings, ...]:
        if len({receiver.name for receiver in receivers}) < len(receivers):
            raise ValueError("two receivers have the same name")
        return receivers
