"""A CTC head for a model whose encoder stays as it is: live text at the price of the encoding.

The encoder's states come from the very directory that is served (CTranslate2, quantised), so that the head
learns what it will see. Linear rows start from a head that training left, where there is one; a layer of
its own, which sees two states on each side, starts at zero.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asr.base import AsrRequest
from asr.ctc import CtcHead
from asr.directory import DECLARATION, ModelDirectory
from asr.whisper import WhisperEngine
from cantonese.scoring import character_error_rate
from models.files import replace_file
from scripts.finetune.common.folders import building, is_main_process, write_json
from scripts.finetune.common.manifest import Manifest, read_manifest
from scripts.finetune.common.processes import Team
from scripts.finetune.recogniser.head import (
    Head,
    batches,
    examples,
    finished,
    head_loss,
    measure,
    started_head,
)
from scripts.finetune.recogniser.running import load

DEV_UTTERANCES = 300
MUCH_WORSE = 0.1
"""Character error rate above the decoder's from which a head is not worth its price."""
LEARNING_PART = 0.5
"""Share of the steps at the full learning rate; then it falls to 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """How to train.

    Attributes:
        epochs: passes over the utterances.
        rate: peak learning rate.
        inner: width of the head's own layer; 0 leaves it out.
        batch_states: encoder states a step.
        start: folder with the heads that a training left; None begins at random.
        seed: of order and first weights.
        threads: of torch; 0 lets it choose.
    """

    epochs: int = 8
    rate: float = 2e-3
    inner: int = 256
    batch_states: int = 8000
    start: Path | None = None
    seed: int = 0
    threads: int = 0


def train_head(
    engine: WhisperEngine, train: Manifest, dev: Manifest, options: HeadOptions, team: Team | None = None
) -> tuple[CtcHead, dict[str, Any]]:
    """Train a head; return it and what was measured on ``dev``.

    Args:
        engine: gives the encoder's states.
        train: samples to learn from.
        dev: samples to measure on.
        options: how.
        team: processes that train together; None asks who has started this one.

    Raises:
        FinetuneError: the manifests or the first weights do not fit.
    """
    torch.manual_seed(options.seed)
    team = team or Team()
    if options.threads:
        torch.set_num_threads(options.threads)
    texts = [utterance.text for utterance in train.utterances]
    width = engine.states([AsrRequest(pcm=train.pcm(train.utterances[0]), final=False)])[0].shape[1]
    head = started_head(engine, texts, width, options.start, options.inner)
    data = examples(engine, train, head)
    before = measure(engine, finished(head, data), dev)
    best, rates = before["cer"], [before["cer"]]
    kept = {name: value.clone() for name, value in head.state_dict().items()}
    team.begin_alike(head)
    a_pass = team.share(list(batches(data, options.batch_states, np.random.default_rng(0))))
    steps = len(a_pass) * options.epochs
    optimizer = torch.optim.AdamW(head.parameters(), lr=options.rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min(1.0, (s + 1) / 50, (steps - s) / (steps * (1 - LEARNING_PART) + 1))
    )
    rng = np.random.default_rng(options.seed)
    for epoch in range(options.epochs):
        for batch in team.share(list(batches(data, options.batch_states, rng))):
            optimizer.zero_grad()
            loss = head_loss(head, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            team.average(head.parameters())
            nn.utils.clip_grad_norm_(head.parameters(), 5.0)
            optimizer.step()
            schedule.step()
        rates.append(measure(engine, finished(head, data), dev)["cer"])
        if is_main_process():
            print(
                f"epoch {epoch + 1}/{options.epochs}: loss {loss.item():.3f}, dev CER {rates[-1]:.2%}",
                flush=True,
            )
        if rates[-1] < best:
            best, kept = rates[-1], {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(kept)
    made = finished(head, data)
    return made, {**measure(engine, made, dev), "before": before, "by_epoch": rates}


def add_head(
    directory: ModelDirectory, data: Path, dev_file: Path | None, out: Path, options: HeadOptions
) -> dict[str, Any]:
    """Write a copy of a model with a head trained on a split; return what was measured.

    Raises:
        FinetuneError: ``out`` exists, or the data do not fit.
    """
    engine = load(directory, beam=1, guarded=False)
    split = data / "train.jsonl"
    train = read_manifest(split if split.is_file() else data)
    dev = read_manifest(dev_file or data / "dev.jsonl")
    dev = Manifest(dev.folder, dev.utterances[:DEV_UTTERANCES])
    settings = {name: str(value) for name, value in asdict(options).items()}
    team = Team()
    whole = {**settings, "model": str(directory.path), "data": train.sha256}
    with building(out, whole, writes=is_main_process()) as folder:
        for file in directory.path.iterdir():
            if file.is_file():
                shutil.copy2(file, folder / file.name)
        head, facts = train_head(engine, train, dev, options, team)
        head.save(folder)
        written = [
            engine.transcribe([AsrRequest(pcm=dev.pcm(u), final=True)])[0].text for u in dev.utterances
        ]
        facts["cer_decoder"] = round(character_error_rate([u.text for u in dev.utterances], written), 5)
        best = "ctc" if facts["cer"] <= facts["cer_decoder"] + MUCH_WORSE else "decoder"
        _declare(folder / DECLARATION, best)
        write_json(folder / "partials.json", {"options": settings, **facts})
    return facts


def _declare(path: Path, best: str) -> None:
    """Set what reads partials best in a model's declaration."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    kept = [line for line in lines if not line.startswith("partials")]
    replace_file(path, "\n".join([*kept, f'partials = "{best}"']) + "\n")


def keep_head(engine: WhisperEngine, linear: nn.Linear, dev: Manifest, folder: Path) -> dict[str, float]:
    """Write the head that a training left beside the model, if partials are good enough with it.

    Args:
        engine: the converted model.
        linear: the head, one row for each text token, the blank last.
        dev: utterances to set the gate and to measure on.
        folder: of the converted model.
    """
    head = Head(range(linear.out_features - 1), linear.in_features, 0)
    head.linear.load_state_dict(linear.state_dict())
    made = finished(head, examples(engine, dev, head))
    facts = measure(engine, made, dev)
    written = [engine.transcribe([AsrRequest(pcm=dev.pcm(u), final=True)])[0].text for u in dev.utterances]
    decoder = character_error_rate([u.text for u in dev.utterances], written)
    kept = facts["cer"] <= decoder + MUCH_WORSE
    if kept:
        made.save(folder)
    return {**facts, "cer_decoder": round(decoder, 5), "kept": float(kept)}
