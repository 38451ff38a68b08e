"""The audit log: settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.sections.base import Section


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
