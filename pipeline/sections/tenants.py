"""Companies that share a server: settings."""

from __future__ import annotations

from pydantic import Field

from pipeline.sections.base import Section


class TenantSettings(Section):
    """What one company has of a server."""

    profiles: tuple[str, ...] = Field(
        (), description="profiles that its calls may name; those of no company when empty"
    )
    max_calls: int | None = Field(
        None, ge=0, description="its calls at once; as many as there are when not set"
    )
    reserved_calls: int = Field(0, ge=0, description="calls at once that no other company can take from it")
