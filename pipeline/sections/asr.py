"""Settings of the recogniser and of partials."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from asr.finding import MODELS_DIR
from asr.guards import GuardSettings
from asr.options import BEAM_SIZE
from pipeline.sections.base import Section


class AsrSettings(Section):
    """Which recogniser, and how to run it."""

    model: str = Field("auto", description="registry name, directory, or auto")
    models_dir: Path = Field(Path(MODELS_DIR), description="where 'yuetone models' keeps models")
    device: Literal["cpu", "cuda", "auto"] = Field("cpu", description="where to run")
    compute_type: str = Field(
        "auto", description="of CTranslate2: int8, float16, float32 …; auto: int8 on a CPU, float16 on a GPU"
    )
    threads: int = Field(1, ge=0, description="CPU threads of one inference; 0 lets CTranslate2 choose")
    beam_size: int = Field(BEAM_SIZE, ge=1, le=20, description="of finals; partials are greedy")
    partials: Literal["auto", "ctc", "decoder"] = Field(
        "auto",
        description="what reads partials: its CTC head, its decoder, or what the model declares",
    )
    batch_wait_ms: float = Field(
        0.0, ge=0, le=100, description="ms that a batch waits for company; useful on a GPU only, there 10"
    )
    max_batch: int = Field(8, ge=1, description="requests decoded together")
    max_pending_finals: int = Field(
        256, ge=1, description="finals waiting over all calls; callers wait beyond"
    )
    remote: str | None = Field(
        None,
        max_length=500,
        description="pool of 'yuetone recogniser' servers that recognise instead: a target of gRPC, "
        "such as dns:///asr-pool:50060",
    )
    remote_ca: Path | None = Field(
        None, description="PEM file of who signs the pool's certificates; None speaks to it in clear"
    )
    remote_secret: SecretStr | None = Field(
        None, min_length=16, description="secret by which the pool knows its nodes; the same on both sides"
    )
    remote_patience_s: float = Field(
        30.0, gt=0, le=600, description="s for which a final is sent again while no server answers"
    )
    guards: GuardSettings = Field(GuardSettings(), description="thresholds against invented text")


class PartialSettings(Section):
    """When partials are made; all in ms of audio."""

    enabled: bool = Field(True, description="False sends finals only")
    first_ms: int = Field(640, ge=100, description="speech before the first partial")
    every_ms: int = Field(640, ge=100, description="speech between partials")
    slowest_ms: int = Field(960, ge=100, description="the same under load")
