"""The training loop: every step a function of seed and step, so that a killed run repeats it exactly."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import save as serialise

from cantonese.scoring import character_error_rate
from models.files import replace_file
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import alone, no_traceback_when_full, same_settings, write_json
from scripts.finetune.common.processes import Team
from scripts.finetune.recogniser.checkpoint import Checkpoint, open_checkpoint
from scripts.finetune.recogniser.decoding import transcribe
from scripts.finetune.recogniser.examples import ExampleOptions, Examples
from scripts.finetune.recogniser.journal import Journal
from scripts.finetune.recogniser.network import Batch, Network, add_lora, trainable_state
from scripts.finetune.recogniser.options import (
    TrainOptions,
    pick_rate,
    plan_steps,
    scheduled_rate,
    training_sets,
)
from scripts.finetune.recogniser.run_state import load_state, save_state
from scripts.finetune.recogniser.tokens import TokenLayout

CHECKPOINT, BEST, RESULT = "checkpoint.pt", "best.safetensors", "result.json"


def build_network(start: Checkpoint, layout: TokenLayout, options: TrainOptions) -> Network:
    """Return what is trained."""
    torch.manual_seed(options.seed)
    if options.lora:
        add_lora(start.whisper, rank=options.lora)
    return Network(
        start.whisper, text_tokens=layout.text_tokens, ctc_weight=options.ctc_weight, ctc=start.ctc
    )


def build_optimizers(network: Network, options: TrainOptions, rate: float) -> list[torch.optim.Optimizer]:
    """Return AdamW, or Muon (Jordan et al. 2024) for the layers' matrices and AdamW for the rest."""
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if p.ndim == 2 and ".layers." in name and options.optimizer == "muon"]
    known = {id(parameter) for parameter in matrices}
    rest = [p for _, p in named if id(p) not in known]
    out: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    ]
    if matrices:
        out.append(torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"))
    return out


@dataclass(slots=True)
class Progress:
    """Where a run is."""

    step: int = 0
    best_cer: float = math.inf
    best_step: int = 0
    bad: int = 0
    finished: bool = False


class Trainer:
    """One run in ``out``; construct and :meth:`run`.

    Args:
        data: split folder.
        init: what to start from, see :func:`.checkpoint.locate`.
        out: folder of the run.
        options: how to train.
    """

    def __init__(self, data: Path, init: str, out: Path, options: TrainOptions) -> None:
        self._out, self._options = out, options
        sets = training_sets(data, options)
        self._train, self._dev = sets.train, sets.dev
        precision = options.precision
        if precision == "auto":
            precision = "bf16" if torch.cuda.is_available() else "fp32"
        self._accelerator = Accelerator(
            mixed_precision="bf16" if precision == "bf16" else "no", cpu=not torch.cuda.is_available()
        )
        self._team = Team()
        if options.threads:
            torch.set_num_threads(options.threads)
        start = open_checkpoint(init)
        self._layout = TokenLayout(start.tokenizer, options.language)
        self._n_mels = int(start.whisper.config.num_mel_bins)
        self._peak = pick_rate(options, int(start.whisper.config.d_model))
        self._network = build_network(start, self._layout, options)
        self._optimizers = build_optimizers(self._network, options, self._peak)
        self._wrapped, *prepared = self._accelerator.prepare(self._network, *self._optimizers)
        self._prepared: list[Any] = prepared
        self._progress = Progress()
        self._held = contextlib.ExitStack()  # the lock of the run's folder, until the run has ended
        accelerator = self._accelerator
        self._plan = plan_steps(sets, options, accelerator.process_index, accelerator.num_processes)
        own = self._train.utterances[: sets.own]
        hours = round(sum(u.seconds for u in own) / 3600, 3)
        self._begin(
            {
                "data": self._train.sha256,
                "data_folder": str(data.resolve()),
                "train_utterances": sets.own,
                "train_hours": hours,
                "init": init,
                **asdict(options),
            }
        )

    def _begin(self, settings: dict[str, Any]) -> None:
        """Start, or go on from the checkpoint of a killed run."""
        if (self._out / RESULT).exists():
            raise FinetuneError(f"{self._out} is a finished run and is not overwritten; choose another --out")
        with no_traceback_when_full(self._out):
            self._out.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._accelerator.is_main_process:
                self._held.enter_context(alone(self._out))
            settings.pop("max_steps")
            with self._accelerator.main_process_first():
                same_settings(self._out, settings)
            if (self._out / CHECKPOINT).exists():
                self._load()
            self._journal = Journal(
                self._out, self._progress.step, len(self._plan), active=self._accelerator.is_main_process
            )

    def _batches(self) -> Iterator[Batch]:
        options = self._options
        examples = Examples(
            self._train,
            self._layout,
            self._n_mels,
            ExampleOptions(
                seed=options.seed,
                short_context=options.short_context,
                augment=options.augment,
                timestamps=options.timestamps,
            ),
        )
        loader = torch.utils.data.DataLoader(
            examples,
            sampler=self._plan[self._progress.step :],
            batch_size=None,
            num_workers=options.workers,
            prefetch_factor=8 if options.workers else None,
        )
        yield from loader

    def run(self) -> dict[str, Any]:
        """Train to the end, or to ``max_steps``; return the result."""
        options, progress, steps = self._options, self._progress, len(self._plan)
        every = max(1, round(steps / max(1.0, options.epochs)))
        with no_traceback_when_full(self._out), self._held, self._journal as journal:
            for batch in self._batches():
                rate = scheduled_rate(progress.step, steps, options, self._peak)
                journal.step(self._step(batch, rate), rate)
                progress.step += 1
                if progress.step % every == 0 or progress.step == steps:
                    self._watch()
                if progress.step % options.save_every == 0 or progress.finished or progress.step == steps:
                    self._save()
                if progress.finished or progress.step == options.max_steps:
                    break
            if progress.step == options.max_steps and progress.step < steps:
                return {"step": progress.step}
            return self._finish(steps)

    def _step(self, batch: Batch, rate: float) -> dict[str, torch.Tensor]:
        """Take one optimiser step; one whose loss is not finite changes nothing."""
        torch.manual_seed(self._options.seed * 1_000_003 + self._progress.step)  # dropout
        self._wrapped.train()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with self._accelerator.autocast():
            parts: dict[str, torch.Tensor] = self._wrapped(batch.to(self._accelerator.device))
        for optimizer in self._prepared:
            optimizer.zero_grad()
        if self._team.all(true=math.isfinite(float(parts["loss"].detach()))):
            self._accelerator.backward(parts["loss"])
            self._accelerator.clip_grad_norm_(self._network.parameters(), 1.0)
            for optimizer in self._prepared:
                optimizer.step()
        return {name: value.detach() for name, value in parts.items()}

    def _watch(self) -> None:
        """Measure the dev set; keep the best weights; stop when nothing gets better."""
        progress = self._progress
        cer = self._team.told(self._dev_error() if self._accelerator.is_main_process else 0.0)
        if cer < progress.best_cer:
            progress.best_cer, progress.best_step, progress.bad = cer, progress.step, 0
            if self._accelerator.is_main_process:
                replace_file(self._out / BEST, serialise(trainable_state(self._network)))
        else:
            progress.bad += 1
        progress.finished = progress.bad > self._options.patience
        self._journal.evaluation(progress.step, dev_cer=cer)

    def _dev_error(self) -> float:
        texts = transcribe(
            self._network, self._dev, self._layout, self._n_mels, short_context=self._options.short_context
        )
        return character_error_rate([u.text for u in self._dev.utterances], texts)

    def _save(self) -> None:
        if not self._accelerator.is_main_process:
            return
        save_state(self._out / CHECKPOINT, self._network, self._optimizers, asdict(self._progress))

    def _load(self) -> None:
        self._progress = Progress(**load_state(self._out / CHECKPOINT, self._network, self._optimizers))

    def _finish(self, steps: int) -> dict[str, Any]:
        progress = self._progress
        result = {
            "best_cer": round(progress.best_cer, 5),
            "best_step": progress.best_step,
            "steps": progress.step,
            "planned_steps": steps,
            "stopped_early": progress.finished,
            "peak_rate": self._peak,
        }
        if self._accelerator.is_main_process:
            write_json(self._out / RESULT, result)
        return result
