"""Traces of calls for OpenTelemetry: settings."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from pipeline.sections.base import Section


class TracingSettings(Section):
    """Where the time of a call goes, for a collector of OpenTelemetry; ids and numbers alone."""

    endpoint: str | None = Field(
        None,
        max_length=500,
        description="OTLP over HTTP of a collector, such as http://localhost:4318/v1/traces",
    )
    sample: float = Field(
        0.01, ge=0, le=1, description="share of calls; one whose telephony is being traced is traced too"
    )
    service: str = Field("yuetone", max_length=100, description="service.name of the traces")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="headers that the collector wants, such as Authorization"
    )

    @field_validator("endpoint")
    @classmethod
    def _an_address(cls, endpoint: str | None) -> str | None:
        if endpoint in (None, "", "none"):
            return None
        if not str(endpoint).startswith(("http://", "https://")):
            raise ValueError("tracing.endpoint: not an http or https address")
        return endpoint
