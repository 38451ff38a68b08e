"""The pupil's lessons: every step a function of seed and step, so that a killed run repeats it exactly."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialise

from asr.guards import token_cap
from cantonese.scoring import character_error_rate
from models.files import replace_file
from scripts.finetune.common.manifest import Manifest
from scripts.finetune.recogniser.checkpoint import Checkpoint
from scripts.finetune.recogniser.decoding import greedy
from scripts.finetune.recogniser.examples import Job, plan_epoch
from scripts.finetune.recogniser.journal import Journal
from scripts.finetune.recogniser.network import encode, trainable_state
from scripts.finetune.recogniser.options import scheduled_rate
from scripts.finetune.recogniser.tokens import TokenLayout
from scripts.finetune.shorten.options import ShortenOptions
from scripts.finetune.shorten.pupil import Batch, Lessons, Pupil
from scripts.finetune.shorten.teacher import Lesson

CHECKPOINT, BEST = "checkpoint.pt", "best.safetensors"
START_TOKENS = 4
"""Start, language, task, no timestamps."""


@dataclass(slots=True)
class Progress:
    """Where a run is; the best weights are those that diverge least from the teacher on ``dev``."""

    step: int = 0
    best_divergence: float = math.inf
    best_cer: float = math.inf
    best_step: int = 0


class Training:
    """One run; construct and :meth:`run`.

    Args:
        checkpoint: of the model; its weights are changed.
        layout: of any of its languages.
        train: lessons to learn from, and ``dev`` to watch.
        audio: manifest that the lessons' audio is read from.
        folder: of checkpoints and of ``train.jsonl``.
        options: how to train.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        layout: TokenLayout,
        train: Sequence[Lesson],
        dev: Sequence[Lesson],
        audio: Manifest,
        folder: Path,
        options: ShortenOptions,
    ) -> None:
        self._folder, self._options, self._layout = folder, options, layout
        self._pupil = Pupil(checkpoint.whisper).train()
        n_mels = int(checkpoint.whisper.config.num_mel_bins)
        self._train, self._dev = Lessons(audio, train, n_mels), Lessons(audio, dev, n_mels)
        self._dev_lessons = dev
        self._plan = plan(train, options)
        named = [p for p in self._pupil.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(named, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.01)
        self._progress = Progress()
        if (folder / CHECKPOINT).is_file():
            self._load()

    def run(self) -> dict[str, Any]:
        """Train to the end; the pupil then has its best weights. Return what the run came to."""
        progress, steps = self._progress, len(self._plan)
        every = max(1, steps // self._options.epochs)
        loader = torch.utils.data.DataLoader(
            self._train, sampler=self._plan[progress.step :], batch_size=None, num_workers=1
        )
        with Journal(self._folder, progress.step, steps, active=True) as journal:
            if progress.step == 0:
                journal.evaluation(0, self._watch())
            for batch in loader:
                rate = scheduled_rate(progress.step, steps, self._options, self._options.rate)
                journal.step(self._step(batch, rate), rate)
                progress.step += 1
                if progress.step % every == 0 or progress.step == steps:
                    journal.evaluation(progress.step, self._watch())
                if progress.step % self._options.save_every == 0 or progress.step == steps:
                    self._save()
        self._pupil.load_state_dict(load_file(self._folder / BEST), strict=False)
        self._pupil.eval()
        return {**asdict(progress), "steps": steps, "best_cer": round(progress.best_cer, 5)}

    def _step(self, batch: Batch, rate: float) -> dict[str, torch.Tensor]:
        """Take one optimiser step; one whose loss is not finite changes nothing."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            parts: dict[str, torch.Tensor] = self._pupil(batch)
        self._optimizer.zero_grad(set_to_none=True)
        if math.isfinite(float(parts["loss"].detach())):
            parts["loss"].backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._pupil.parameters(), 1.0)
            self._optimizer.step()
        return {name: value.detach() for name, value in parts.items()}

    def _watch(self) -> float:
        """Return the error rate on ``dev`` against what the teacher wrote; keep the best weights."""
        self._pupil.eval()
        jobs = range(len(self._dev_lessons))
        written = [self._read(index) for index in jobs]
        with torch.inference_mode():
            told = [float(self._pupil(self._dev[0, (index,)])["divergence"]) for index in jobs]
        self._pupil.train()
        said = [self._layout.decode(lesson.tokens.tolist()) for lesson in self._dev_lessons]
        cer = character_error_rate(said, written, capped=True)
        progress, divergence = self._progress, sum(told) / len(told)
        if divergence < progress.best_divergence:
            progress.best_divergence, progress.best_cer = round(divergence, 5), cer
            progress.best_step = progress.step
            replace_file(self._folder / BEST, serialise(trainable_state(self._pupil)))
        return cer

    def _read(self, index: int) -> str:
        lesson = self._dev_lessons[index]
        whisper = self._pupil.whisper
        start = lesson.tokens[:START_TOKENS].tolist()
        with torch.inference_mode():
            states = encode(whisper, self._dev[0, (index,)].features)
            longest = token_cap(lesson.utterance.seconds)
            rows, _states = greedy(whisper, states, start, self._layout.end, longest)
            return self._layout.decode(rows[0])

    def _save(self) -> None:
        state = {
            "weights": trainable_state(self._pupil),
            "optimizer": self._optimizer.state_dict(),
            "progress": asdict(self._progress),
        }
        coded = io.BytesIO()  # torch turns a full disk into an error of its own
        torch.save(state, coded)
        replace_file(self._folder / CHECKPOINT, coded.getvalue())

    def _load(self) -> None:
        state = torch.load(self._folder / CHECKPOINT, weights_only=True)
        self._pupil.load_state_dict(state["weights"], strict=False)
        self._optimizer.load_state_dict(state["optimizer"])
        self._progress = Progress(**state["progress"])


def plan(lessons: Sequence[Lesson], options: ShortenOptions) -> list[Job]:
    """Return the job of every step over all epochs."""
    seconds = [lesson.utterance.seconds for lesson in lessons]
    return [
        (epoch, indices)
        for epoch in range(options.epochs)
        for indices in plan_epoch(
            seconds, batch_seconds=options.batch_seconds, seed=options.seed, epoch=epoch, padded=False
        )
    ]
