"""Teach Whisper base Cantonese, with voices made of recorded syllables.

    python -m scripts.finetune.bundled.train --out runs/bundled --steps 640 --start whisper-base \
        --syllables jyutnet --english speechocean762

``--start`` is a model known by name (``yuetone models pull whisper-base``) or a directory.
Stops at any time; the same command goes on from the last checkpoint. ``train.jsonl`` keeps the curve.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from models.files import replacing
from scripts.finetune.bundled.examples import BatchStream, Sources, open_sources
from scripts.finetune.bundled.vocabulary import ctc_tokens, trim
from scripts.finetune.common.folders import write_json
from scripts.finetune.recogniser.checkpoint import open_checkpoint
from scripts.finetune.recogniser.network import Batch, Network
from scripts.finetune.tiny.train import learning_rate

CHECKPOINT, LOG, SETTINGS = "checkpoint.pt", "train.jsonl", "settings.json"
WARM_UP = 60
"""Steps until the learning rate is reached."""
HEAD_RATE = 20.0
"""Learning rate of the new CTC head, over the peak."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start", required=True, help="Whisper to start from: a name or a directory")
    parser.add_argument("--syllables", type=Path, required=True, help="folder of recorded syllables")
    parser.add_argument("--english", type=Path, action="append", default=[], help="folder of English speech")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=3000, help="where the learning rate ends at 0")
    parser.add_argument("--decay-from", type=float, default=0.6, help="share of steps at full rate")
    parser.add_argument("--batch-seconds", type=float, default=40.0, help="seconds of audio a batch")
    parser.add_argument("--rate", type=float, default=1e-4, help="peak learning rate")
    parser.add_argument(
        "--encoder-rate",
        type=float,
        default=0.0,
        help="learning rate of the encoder over the peak; as published, it hears real people better",
    )
    parser.add_argument("--ctc", type=float, default=0.3, help="weight of the CTC loss")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--workers", type=int, default=1, help="processes that make examples")
    parser.add_argument("--pool", type=int, default=240, help="examples drawn at once, sorted by length")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


@dataclass(frozen=True, slots=True, eq=False)
class Pupil:
    """What is trained.

    Attributes:
        network: Whisper with the trimmed vocabulary and a CTC head.
        tokenizer: of it.
        ctc_tokens: vocabulary id of each row of the head.
    """

    network: Network
    tokenizer: Tokenizer
    ctc_tokens: list[int]


def build(start: str, sources: Sources, ctc: float) -> Pupil:
    """Return Whisper with a trimmed vocabulary and a new CTC head."""
    checkpoint = open_checkpoint(start)
    tokenizer = trim(checkpoint.tokenizer, checkpoint.whisper)
    tokens = ctc_tokens(tokenizer, sources)
    return Pupil(Network(checkpoint.whisper, text_tokens=len(tokens), ctc_weight=ctc), tokenizer, tokens)


def build_optimizer(network: Network, encoder_rate: float) -> torch.optim.Optimizer:
    """Return AdamW with three groups, the share of the peak rate under ``share``; freezes what has none."""
    encoder = list(network.whisper.model.encoder.parameters())
    head = list(network.ctc_head.parameters()) if network.ctc_head is not None else []
    known = {id(parameter) for parameter in (*encoder, *head)}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in known]
    network.whisper.model.encoder.requires_grad_(encoder_rate > 0)
    groups = [(encoder if encoder_rate else [], encoder_rate), (rest, 1.0), (head, HEAD_RATE)]
    return torch.optim.AdamW(
        [{"params": params, "share": share} for params, share in groups if params],
        lr=1e-4, betas=(0.9, 0.98), weight_decay=0.01,
    )  # fmt: skip


def batches(pupil: Pupil, sources: Sources, options: argparse.Namespace, step: int) -> Iterator[Batch]:
    """Return an endless iterator over batches; another ``step`` begins with other ones."""
    stream = BatchStream(
        pupil.tokenizer, sources, pupil.ctc_tokens,
        seconds=options.batch_seconds, seed=options.seed * 1_000_003 + step, pool=options.pool,
    )  # fmt: skip
    loader = torch.utils.data.DataLoader(
        stream,
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=12 if options.workers else None,
    )
    return iter(loader)


def one_step(
    network: Network, optimizer: torch.optim.Optimizer, batch: Batch, rate: float
) -> dict[str, float]:
    """Take one optimiser step in bfloat16; a batch whose loss is not finite is passed over."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    with torch.autocast("cpu", torch.bfloat16):
        parts = network(batch)
    optimizer.zero_grad(set_to_none=True)
    if math.isfinite(parts["loss"].item()):
        parts["loss"].backward()
        for group in optimizer.param_groups:  # one by one: a new head must not slow the others down
            torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
        optimizer.step()
    return {name: float(value.detach()) for name, value in parts.items()}


class Meter:
    """Means of the losses since the last report."""

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []
        self._seconds = 0.0
        self._since = time.monotonic()

    def add(self, parts: dict[str, float], seconds: float) -> None:
        """Count one step with ``seconds`` of audio."""
        self._rows.append(parts)
        self._seconds += seconds

    def report(self, step: int, rate: float, hours: float) -> str:
        """Return one JSON line and start over."""
        means = {name: sum(row[name] for row in self._rows) / len(self._rows) for name in self._rows[0]}
        spent = time.monotonic() - self._since
        row = {name: round(value, 4) for name, value in means.items()}
        line = {"step": step, "rate": round(rate, 7), "hours_heard": round(hours, 3), **row}
        line["wall_s_per_audio_s"] = round(spent / max(1e-6, self._seconds), 4)
        self._rows, self._seconds, self._since = [], 0.0, time.monotonic()
        return json.dumps(line)


def save(
    folder: Path, network: Network, optimizer: torch.optim.Optimizer, progress: dict[str, float]
) -> None:
    """Write the checkpoint so that a kill at any moment leaves the old or the new one."""
    state = {"model": network.state_dict(), "optimizer": optimizer.state_dict(), "progress": progress}
    with replacing(folder / CHECKPOINT) as file:
        torch.save(state, file)


def load(folder: Path, network: Network, optimizer: torch.optim.Optimizer | None = None) -> dict[str, float]:
    """Load the checkpoint if there is one; return how far it is: steps and hours heard."""
    if not (folder / CHECKPOINT).exists():
        return {"step": 0, "hours": 0.0}
    state = torch.load(folder / CHECKPOINT, weights_only=True)
    network.load_state_dict(state["model"])
    if optimizer is not None:
        optimizer.load_state_dict(state["optimizer"])
    return dict(state["progress"])


def train(options: argparse.Namespace) -> None:
    """Run or continue the training in ``options.out``."""
    options.out.mkdir(parents=True, exist_ok=True)
    settings = {**vars(options), "syllables": str(options.syllables), "out": options.out.name}
    write_json(options.out / SETTINGS, {**settings, "english": [str(folder) for folder in options.english]})
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    sources = open_sources(options.syllables, options.out / "syllables.npz", tuple(options.english))
    pupil = build(options.start, sources, options.ctc)
    optimizer = build_optimizer(pupil.network, options.encoder_rate)
    progress = load(options.out, pupil.network, optimizer)
    step, hours = int(progress["step"]), progress["hours"]
    meter = Meter()
    stream = batches(pupil, sources, options, step)
    pupil.network.train()
    pupil.network.ctc_alone = True  # the encoder stays one that any decoder understands
    while step < options.steps:
        try:
            batch = next(stream)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            stream = batches(pupil, sources, options, step)  # espeak-ng 1.52 crashes once in a long while
            continue
        rate = learning_rate(
            step, peak=options.rate, steps=options.steps, decay_from=options.decay_from, warm_up=WARM_UP
        )
        seconds = batch.features.shape[0] * batch.features.shape[2] / 100
        meter.add(one_step(pupil.network, optimizer, batch, rate), seconds)
        step, hours = step + 1, hours + seconds / 3600
        if step % 20 == 0 or step == options.steps:
            line = meter.report(step, rate, hours)
            print(line, flush=True)
            with (options.out / LOG).open("a") as log:
                log.write(line + "\n")
        if step % 100 == 0 or step == options.steps:
            save(options.out, pupil.network, optimizer, {"step": step, "hours": hours})


if __name__ == "__main__":
    train(arguments())
