"""Settings about who speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.sections.base import Section


class SecondLookSettings(Section):
    """A call of one channel is heard again when it has ended, by pyannote.audio in a process of its own."""

    enabled: bool = Field(False, description="needs the pyannote extra, here or in 'python'")
    pipeline: str = Field(
        "bundled", description="bundled, a directory, or a name on the hub (the token is HF_TOKEN's value)"
    )
    python: Path | None = Field(None, description="interpreter of another environment; this one when not set")
    max_waiting: int = Field(8, ge=0, description="recordings waiting; further ones are skipped")
    timeout_s: float = Field(1800.0, gt=0, description="s after which one look is given up")
    spool: Path | None = Field(None, description="folder for recordings; the system's when not set")


class DiarizationSettings(Section):
    """Who speaks."""

    enabled: bool = Field(True, description="False tells no voices apart; roles by channel remain")
    speaker_model: str = Field(
        "auto", description="bundled, promoted, a directory (docs/diarization.md), or auto"
    )
    segmentation_model: str = Field("auto", description="the same for what tells voices apart within seconds")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where to run")
    second_look: SecondLookSettings = SecondLookSettings()


class ProfileDiarizationSettings(Section):
    """What to make of channels and voices."""

    swapped_channels: Literal["correct", "warn", "off"] = Field(
        "correct", description="what to do when what is said contradicts the roles of two channels"
    )
    crosstalk: Literal["correct", "warn", "off"] = Field(
        "correct", description="the same for echo of the other channel, and for identical channels"
    )
    phrases: tuple[Path, ...] = Field((), description="TOML files with further phrases")
    second_look: bool = Field(True, description="False leaves calls as they were told live")
