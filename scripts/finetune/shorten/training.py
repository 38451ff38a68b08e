"""The training loop: every step a function of seed and step, so that a killed run repeats it exactly."""

from __future__ import annotations

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
from scripts.finetune.recogniser.run_state import load_state, save_state
from scripts.finetune.recogniser.tokens import TokenLayout
from scripts.finetune.shorten.options import ShortenOptions
from scripts.finetune.shorten.student import Batch, Student, TargetBatches
from scripts.finetune.shorten.teacher import Target

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
        train: targets to learn from, and ``dev`` to watch.
        audio: manifest that the targets' audio is read from.
        folder: of checkpoints and of ``train.jsonl``.
        options: how to train.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        layout: TokenLayout,
        train: Sequence[Target],
        dev: Sequence[Target],
        audio: Manifest,
        folder: Path,
        options: ShortenOptions,
    ) -> None:
        self._folder, self._options, self._layout = folder, options, layout
        self._student = Student(checkpoint.whisper).train()
        n_mels = int(checkpoint.whisper.config.num_mel_bins)
        self._train, self._dev = TargetBatches(audio, train, n_mels), TargetBatches(audio, dev, n_mels)
        self._dev_targets = dev
        self._plan = steps_of(train, options)
        named = [p for p in self._student.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(named, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.01)
        self._progress = Progress()
        if (folder / CHECKPOINT).is_file():
            self._load()

    def run(self) -> dict[str, Any]:
        """Train to the end; the student then has its best weights. Return what the run came to."""
        progress, steps = self._progress, len(self._plan)
        every = max(1, steps // self._options.epochs)
        loader = torch.utils.data.DataLoader(
            self._train, sampler=self._plan[progress.step :], batch_size=None, num_workers=1
        )
        with Journal(self._folder, progress.step, steps, active=True) as journal:
            if progress.step == 0:
                journal.evaluation(0, **self._watch())
            for batch in loader:
                rate = scheduled_rate(progress.step, steps, self._options, self._options.rate)
                journal.step(self._step(batch, rate), rate)
                progress.step += 1
                if progress.step % every == 0 or progress.step == steps:
                    journal.evaluation(progress.step, **self._watch())
                if progress.step % self._options.save_every == 0 or progress.step == steps:
                    self._save()
        self._student.load_state_dict(load_file(self._folder / BEST), strict=False)
        self._student.eval()
        return {**asdict(progress), "steps": steps}

    def _step(self, batch: Batch, rate: float) -> dict[str, torch.Tensor]:
        """Take one optimiser step; one whose loss is not finite changes nothing."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            parts: dict[str, torch.Tensor] = self._student(batch)
        self._optimizer.zero_grad(set_to_none=True)
        if math.isfinite(float(parts["loss"].detach())):
            parts["loss"].backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._student.parameters(), 1.0)
            self._optimizer.step()
        return {name: value.detach() for name, value in parts.items()}

    def _watch(self) -> dict[str, float]:
        """Return error rate and divergence on ``dev`` against the teacher; keep the best weights."""
        self._student.eval()
        with torch.inference_mode():
            read = [self._read(index) for index in range(len(self._dev_targets))]
        self._student.train()
        said = [self._layout.decode(target.tokens.tolist()) for target in self._dev_targets]
        cer = character_error_rate(said, [text for text, _divergence in read], capped=True)
        divergence = sum(told for _text, told in read) / len(read)
        progress = self._progress
        if divergence < progress.best_divergence:
            progress.best_divergence, progress.best_cer = divergence, cer
            progress.best_step = progress.step
            replace_file(self._folder / BEST, serialise(trainable_state(self._student)))
        return {"dev_cer": cer, "dev_divergence": divergence}

    def _read(self, index: int) -> tuple[str, float]:
        """Return what the student writes for a dev utterance, and its divergence in nats a token."""
        target, batch = self._dev_targets[index], self._dev[0, (index,)]
        whisper, start = self._student.whisper, target.tokens[:START_TOKENS].tolist()
        states = encode(whisper, batch.features)
        longest = token_cap(target.utterance.seconds)
        rows, _hidden = greedy(whisper, states, start, self._layout.end, longest)
        return self._layout.decode(rows[0]), float(self._student.losses(states, batch)["divergence"])

    def _save(self) -> None:
        save_state(self._folder / CHECKPOINT, self._student, [self._optimizer], asdict(self._progress))

    def _load(self) -> None:
        progress = load_state(self._folder / CHECKPOINT, self._student, [self._optimizer])
        self._progress = Progress(**progress)


def steps_of(targets: Sequence[Target], options: ShortenOptions) -> list[Job]:
    """Return the job of every step over all epochs."""
    seconds = [target.utterance.seconds for target in targets]
    return [
        (epoch, indices)
        for epoch in range(options.epochs)
        for indices in plan_epoch(
            seconds, batch_seconds=options.batch_seconds, seed=options.seed, epoch=epoch, padded=False
        )
    ]
