"""What a training run depends on: options, sets, steps and rates. Pure but for reading manifests."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.manifest import Manifest, move_manifest, read_manifest
from scripts.finetune.common.shares import share_of
from scripts.finetune.common.splitting import FROZEN, read_frozen, refuse_frozen
from scripts.finetune.recogniser.examples import Job, plan_epoch

SMALL_MODEL = 384
"""d_model of whisper-tiny: narrower models bear, and need, larger learning rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How to train; all of it fixes the result.

    Attributes:
        epochs: passes over the training set.
        batch_seconds: of audio in a step, padding included, on each device.
        rate: peak learning rate; 0 picks one: 1e-3 with LoRA, else 1e-5, or 5e-4 below whisper-tiny's width.
        warm_up: share of all steps in which the rate rises.
        decay_from: share of all steps at the full rate, behind which it falls to 0.
        optimizer: ``adamw``, or ``muon`` for the layers' matrices.
        lora: rank of the adapters; 0 trains every weight.
        language: Whisper code of the transcripts.
        short_context: train at utterance length instead of 30 s.
        augment: strength of augmentation, 0 to 1.
        timestamps: share of examples that write timestamps.
        ctc_weight: of the CTC loss; 0 trains no head.
        precision: ``fp32``, ``bf16``, or ``auto``: bf16 on a GPU, fp32 on a CPU.
        patience: evaluations without a better CER before stopping.
        dev_utterances: of the dev set that are decoded in an evaluation.
        save_every: steps between checkpoints.
        seed: of everything.
        threads: of torch; 0 lets it choose.
        workers: processes that make examples.
        shuffle_texts: give every utterance the text of another: for testing gates.
        replay: manifest of general speech that is trained on beside the centre's, against forgetting
            (experience replay, Rolnick et al. 2019); empty for none.
        replay_share: of the speech in each epoch, at most what there is; drawn anew for each.
        max_steps: stop behind this step, 0 for no limit.
    """

    epochs: float = 8.0
    batch_seconds: float = 80.0
    rate: float = 0.0
    warm_up: float = 0.05
    decay_from: float = 0.4
    optimizer: str = "adamw"
    lora: int = 0
    language: str = "yue"
    short_context: bool = True
    augment: float = 1.0
    timestamps: float = 0.2
    ctc_weight: float = 0.3
    precision: str = "auto"
    patience: int = 4
    dev_utterances: int = 300
    save_every: int = 100
    seed: int = 0
    threads: int = 0
    workers: int = 1
    shuffle_texts: bool = False
    replay: str = ""
    replay_share: float = 0.5
    max_steps: int = 0


@dataclass(frozen=True, slots=True)
class TrainingSets:
    """What a run learns from and watches.

    Attributes:
        train: the centre's utterances, and behind them those to replay.
        own: how many of them are the centre's.
        dev: what is watched.
    """

    train: Manifest
    own: int
    dev: Manifest


def training_sets(data: Path, options: TrainOptions) -> TrainingSets:
    """Read the train, dev and replay sets, and refuse what the frozen test set forbids.

    Raises:
        FinetuneError: a set is missing, or shares something with the test set.
    """
    if not (data / FROZEN).is_file():
        raise FinetuneError(f"{data} is no split (no {FROZEN}); make one with 'split'")
    train, dev = (read_manifest(data / f"{name}.jsonl") for name in ("train", "dev"))
    replay = read_manifest(Path(options.replay)) if options.replay else Manifest(data, ())
    for manifest in (train, dev, replay):
        refuse_frozen(manifest, read_frozen(data))
    dev = Manifest(dev.folder, dev.utterances[: options.dev_utterances])
    if options.shuffle_texts:
        texts = [utterance.text for utterance in train.utterances]
        shift = max(1, len(texts) // 2)
        moved = zip(train.utterances, texts[shift:] + texts[:shift], strict=True)
        train = Manifest(train.folder, [u.model_copy(update={"text": text}) for u, text in moved])
    everything = [*train.utterances, *move_manifest(replay, train.folder)]
    return TrainingSets(Manifest(train.folder, everything), len(train), dev)


def epoch_members(seconds: Sequence[float], own: int, options: TrainOptions, epoch: int) -> list[int]:
    """Return the utterances of one epoch: all of the centre's, and a draw of those to replay."""
    members = list(range(own))
    wanted = sum(seconds[:own]) * options.replay_share / max(1e-6, 1 - options.replay_share)
    others = list(range(own, len(seconds)))
    random.Random(f"replay/{options.seed}/{epoch}").shuffle(others)
    for index in others:
        if wanted <= 0:
            break
        wanted -= seconds[index]
        members.append(index)
    return members


def plan_steps(sets: TrainingSets, options: TrainOptions, process: int = 0, processes: int = 1) -> list[Job]:
    """Return the job of every step of one of several processes, over all epochs."""
    seconds = [utterance.seconds for utterance in sets.train.utterances]
    jobs: list[Job] = []
    for epoch in range(math.ceil(options.epochs)):
        members = epoch_members(seconds, sets.own, options, epoch)
        plan = plan_epoch(
            [seconds[index] for index in members],
            batch_seconds=options.batch_seconds,
            seed=options.seed,
            epoch=epoch,
            padded=not options.short_context,
        )
        plan = [tuple(members[index] for index in batch) for batch in plan]
        plan = plan[: math.ceil(len(plan) * min(1.0, options.epochs - epoch))]
        jobs += [(epoch, indices) for indices in share_of(plan, process, processes)]
    return jobs


def pick_rate(options: TrainOptions, d_model: int) -> float:
    """Return the peak learning rate; see :class:`TrainOptions`."""
    if options.rate:
        return options.rate
    if options.lora:
        return 1e-3
    return 5e-4 if d_model < SMALL_MODEL else 1e-5


class Schedule(Protocol):
    """Shares of a run in which the learning rate rises, and behind which it falls."""

    @property
    def warm_up(self) -> float:
        """Share of all steps in which the rate rises."""
        ...

    @property
    def decay_from(self) -> float:
        """Share of all steps at the full rate, the rise included."""
        ...


def scheduled_rate(step: int, steps: int, options: Schedule, peak: float) -> float:
    """Warm up, stay, fall to zero (warmup-stable-decay, Hu et al. 2024)."""
    warm, start = options.warm_up * steps, options.decay_from * steps
    if step < warm:
        return peak * (step + 1) / max(1.0, warm)
    return peak if step < start else peak * max(0.0, 1 - (step - start) / max(1.0, steps - start))
