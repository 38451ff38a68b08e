"""Training of a PyanNet (Bredin & Laurent 2021) with pyannote's own task.

Its classes are the sets of up to two of three local speakers (powerset; Plaquet & Bredin 2023). The audio
comes from memory rather than from files, so that no decoder but soundfile is needed.
"""

from __future__ import annotations

import os
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from pyannote.audio.core.model import Model
from pyannote.audio.models.segmentation import PyanNet
from pyannote.audio.tasks import SpeakerDiarization
from pyannote.core import Annotation, Segment, Timeline
from pyannote.database.protocol import SpeakerDiarizationProtocol

from scripts.finetune.common.processes import Team
from scripts.finetune.voices.mixtures import SAMPLE_RATE, Turn

CHUNK_S = 6.0
"""What the network sees at once: two or three turns of a call."""
STRIDE = 20
"""Twice pyannote's: half the cost in training and in calls; a frame is then 540 samples, 34 ms."""
MOST_SPEAKERS, MOST_AT_ONCE = 3, 2
WEIGHTS = "pytorch_model.bin"
_MARGIN_S = 0.1
"""The end of a recording is left out, where rounding would ask for audio behind it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """A recording with truth.

    Attributes:
        name: unique.
        pcm: int16 mono 16 kHz, shape (n,).
        turns: who speaks when.
    """

    name: str
    pcm: NDArray[np.int16]
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationSettings:
    """How to train.

    Attributes:
        steps: batches.
        batch: chunks a step.
        rate: highest learning rate.
        hidden: of each of the two LSTM layers and directions.
        seed: of everything.
    """

    steps: int = 6000
    batch: int = 20
    rate: float = 1.5e-3
    hidden: int = 96
    seed: int = 0


class _Protocol(SpeakerDiarizationProtocol):
    """Calls in memory, as pyannote wants to be told of them."""

    name = "Yuetone.SpeakerDiarization.Calls"

    def __init__(self, train: Sequence[Call], development: Sequence[Call]) -> None:
        super().__init__()
        self._calls = {"train": train, "development": development}

    def _files(self, subset: str) -> Iterator[dict[str, Any]]:
        for call in self._calls[subset]:
            whole = Segment(0, len(call.pcm) / SAMPLE_RATE - _MARGIN_S)
            yield {
                "uri": call.name, "audio": call.name, "database": "Yuetone", "subset": subset,
                "scope": "file", "annotation": annotation(call),
                "annotated": Timeline([whole], uri=call.name),
            }  # fmt: skip

    def train_iter(self) -> Iterator[dict[str, Any]]:
        """Yield the calls to learn from."""
        return self._files("train")

    def development_iter(self) -> Iterator[dict[str, Any]]:
        """Yield the calls to watch."""
        return self._files("development")


def annotation(call: Call) -> Annotation:
    """Return the truth of ``call`` as pyannote has it."""
    made = Annotation(uri=call.name)
    for number, turn in enumerate(call.turns):
        made[Segment(turn.start / SAMPLE_RATE, turn.end / SAMPLE_RATE), number] = turn.speaker
    return made


class _Task(SpeakerDiarization):
    """Speaker diarization, the audio of which is in memory."""

    audio_of: dict[str, NDArray[np.int16]]

    def get_file(self, file_id: int) -> dict[str, Any]:
        """Return what pyannote's reader takes instead of a path."""
        name = str(self.prepared_data["audio-path"][file_id])
        return {"waveform": _Waveform(self.audio_of[name]), "sample_rate": SAMPLE_RATE, "uri": name}


class _Waveform:
    """16-bit audio that becomes a float tensor only where it is cropped."""

    def __init__(self, pcm: NDArray[np.int16]) -> None:
        self._pcm = pcm
        self.shape = (1, len(pcm))

    def __getitem__(self, key: tuple[slice, slice]) -> torch.Tensor:
        return torch.from_numpy(self._pcm[key[1]].astype(np.float32) / 32768)[None]


class _Watch(Callback):
    """Tells how it goes, and saves what there is, so that an interrupted run is not lost."""

    def __init__(self, after: Callable[[int, float, float], None], every: int, path: Path) -> None:
        self._after, self._every, self._path = after, every, path
        self._losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, number: int) -> None:
        """Tell the loss."""
        self._losses.append(float(outputs["loss"]))
        if trainer.global_step % self._every == 0:
            error = float(trainer.callback_metrics.get("DiarizationErrorRate", float("nan")))
            trainer.save_checkpoint(self._path, weights_only=True)
            self._after(trainer.global_step, float(np.mean(self._losses[-self._every :])), error)


def train(
    calls: Sequence[Call],
    development: Sequence[Call],
    settings: SegmentationSettings,
    *,
    start: Path | None = None,
    network: Model | None = None,
    after: Callable[[int, float, float], None] = lambda step, loss, error: None,
    save: Path,
) -> Path:
    """Train, alone or with other processes, and write ``pytorch_model.bin`` into ``save``; return its path.

    Args:
        calls: to learn from.
        development: to watch the error on.
        settings: how.
        start: a checkpoint to go on from; None begins anew.
        network: to train instead of a new PyanNet.
        after: is told of every 250th step: its number, the mean loss, the newest diarization error.
        save: folder.
    """
    warnings.filterwarnings("ignore", category=UserWarning)
    settings = replace(settings, steps=-(-settings.steps // Team().size))  # each step hears as many batches
    random.seed(settings.seed)
    torch.manual_seed(settings.seed)
    task = _Task(
        _Protocol(calls, development), duration=CHUNK_S, max_speakers_per_chunk=MOST_SPEAKERS,
        max_speakers_per_frame=MOST_AT_ONCE, batch_size=settings.batch, num_workers=0,
        cache=str(Path(tempfile.mkdtemp()) / "cache"),
    )  # fmt: skip
    task.audio_of = {call.name: call.pcm for call in [*calls, *development]}
    network = network or _network(settings, start)
    if isinstance(network, PyanNet):
        for weight in network.sincnet.conv1d[0].parameters():
            weight.requires_grad = False  # mel-spaced filters are good ones, and others cost a third
    network.task = task
    network.configure_optimizers = lambda: _optimizers(network, settings)
    save.mkdir(parents=True, exist_ok=True)
    path = save / WEIGHTS
    watch = _Watch(after, min(250, settings.steps), path)
    trainer = Trainer(
        accelerator="cpu", max_steps=settings.steps, **_together(), callbacks=[watch], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        gradient_clip_val=1.0, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(network)
    trainer.save_checkpoint(path, weights_only=True)
    return path


def _together() -> dict[str, Any]:
    """Return what tells Lightning of the processes that accelerate or torchrun has started."""
    team, here = Team(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if team.size == 1:
        return {}
    return {"devices": here, "num_nodes": team.size // here, "strategy": "ddp"}


def _network(settings: SegmentationSettings, start: Path | None) -> Model:
    if start is not None:
        return Model.from_pretrained(start)
    return PyanNet(
        sincnet={"stride": STRIDE},
        lstm={"hidden_size": settings.hidden, "num_layers": 2, "bidirectional": True, "monolithic": True},
        linear={"hidden_size": 64, "num_layers": 1},
    )


def _optimizers(network: Model, settings: SegmentationSettings) -> dict[str, Any]:
    learned = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(learned, settings.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=settings.steps + 1)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
