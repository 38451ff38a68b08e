"""Train the small recogniser from nothing but text and a synthesiser.

    python -m scripts.finetune.tiny.train --out runs/tiny --steps 12000
    python -m scripts.finetune.tiny.train --out runs/more --init scripts/finetune/tiny/checkpoint
    python -m scripts.finetune.tiny.train --out /tmp/toy --steps 4 --phone-steps 2 --batch-seconds 6

Stops at any time; the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from cantonese.spoken import normalize_spoken
from models.files import replacing
from scripts.finetune.tiny.examples import Batch, BatchStream
from scripts.finetune.tiny.model import Recogniser, build, load_exported
from scripts.finetune.tiny.texts import Texts, corpus_sentences, dictionary_words, hkcancor_sentences
from scripts.finetune.tiny.tokenizer import build_tokenizer

CHECKPOINT, TOKENIZER, LOG = "checkpoint.pt", "tokenizer.json", "train.jsonl"
TOKENIZER_SENTENCES = 30_000  # generated sentences that the vocabulary is taken from


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=12_000, help="where the learning rate ends at 0")
    parser.add_argument("--phone-steps", type=int, default=1500, help="steps of phoneme CTC alone")
    parser.add_argument("--decay-from", type=float, default=0.7, help="share of steps at full rate")
    parser.add_argument("--batch-seconds", type=float, default=80.0, help="seconds of audio a batch")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--workers", type=int, default=1, help="processes that make examples")
    parser.add_argument("--syllables", type=Path, help="folder of recorded syllables (a second voice)")
    parser.add_argument("--init", type=Path, help="exported Hugging Face folder to start from")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def learning_rate(step: int, *, peak: float, steps: int, decay_from: float, warm_up: int = 300) -> float:
    """Warm up, stay, then fall to zero (warmup-stable-decay, Hu et al. 2024)."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    start = decay_from * steps
    if step < start:
        return peak
    return peak * max(0.0, 1 - (step - start) / max(1.0, steps - start))


def vocabulary(folder: Path, seed: int) -> Tokenizer:
    """Load the run's tokenizer, or build it on the first start."""
    path = folder / TOKENIZER
    if not path.exists():
        texts, rng = Texts(), random.Random(seed)
        lines = hkcancor_sentences() + corpus_sentences()
        lines += [texts.draw(rng, "service").text for _ in range(TOKENIZER_SENTENCES)]
        build_tokenizer([normalize_spoken(line) for line in lines]).save(str(path))
    return Tokenizer.from_file(str(path))


def batches(
    tokenizer: Tokenizer, options: argparse.Namespace, *, seconds: float, step: int
) -> Iterator[Batch]:
    """Return an endless iterator over batches of utterances of at most ``seconds``."""
    hkcancor_sentences(), corpus_sentences(), dictionary_words()  # read once, shared by fork
    stream = BatchStream(
        tokenizer,
        seconds=options.batch_seconds,
        max_seconds=seconds,
        seed=options.seed * 1_000_003 + step,
        syllables=options.syllables,
    )
    loader = torch.utils.data.DataLoader(
        stream,
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=16 if options.workers else None,
    )
    return iter(loader)


def longest_utterance(step: int, phone_steps: int) -> float:
    """Return the curriculum's limit in seconds: short utterances while CTC finds its alignment."""
    return 4.0 if step < phone_steps else 10.5


def losses(model: Recogniser, batch: Batch, *, phones_only: bool) -> dict[str, torch.Tensor]:
    """Return the weighted total under ``loss`` and its parts."""
    with torch.autocast("cpu", torch.bfloat16):
        states = model.encode(batch.features)
        phone = model.phone_loss(states, batch)
        if phones_only:
            return {"loss": phone, "phone": phone}
        text = model.text_ctc_loss(states, batch)
        attention, accuracy, stray = model.attention_loss(states, batch)
    total = attention + 0.5 * phone + 0.3 * text + 2.0 * stray
    return {
        "loss": total,
        "phone": phone,
        "ctc": text,
        "attention": attention,
        "accuracy": accuracy,
        "stray": stray,
    }


def build_optimizers(model: Recogniser, rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon for the weight matrices of the layers and AdamW for everything else.

    Muon (Jordan et al. 2024), scaled to AdamW's update size (Liu et al. 2025).
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    known = {id(parameter) for parameter in matrices}
    rest = [p for p in model.parameters() if id(p) not in known]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    ]


def save(folder: Path, model: Recogniser, optimizers: list[torch.optim.Optimizer], step: int) -> None:
    """Write the checkpoint so that a kill at any moment leaves the old or the new one."""
    states = [optimizer.state_dict() for optimizer in optimizers]
    state = {"model": model.state_dict(), "optimizers": states, "step": step}
    with replacing(folder / CHECKPOINT) as file:
        torch.save(state, file)


def load(folder: Path, model: Recogniser, optimizers: Sequence[torch.optim.Optimizer] = ()) -> int:
    """Load the checkpoint if there is one; return the number of steps done."""
    path = folder / CHECKPOINT
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state.get("optimizers", ()), strict=False):
        optimizer.load_state_dict(saved)
    return int(state["step"])


class Meter:
    """Means of the losses since the last report."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}
        self._since = time.monotonic()

    def add(self, parts: dict[str, torch.Tensor]) -> None:
        """Count one step."""
        for name, value in parts.items():
            self._sums.setdefault(name, []).append(float(value))

    def report(self, step: int, rate: float) -> str:
        """Return one JSON line and start over."""
        count = max(map(len, self._sums.values()))
        row: dict[str, float] = {name: round(sum(v) / len(v), 4) for name, v in self._sums.items()}
        seconds = round((time.monotonic() - self._since) / count, 3)
        self._sums, self._since = {}, time.monotonic()
        return json.dumps({"step": step, "rate": round(rate, 6), **row, "seconds_per_step": seconds})


def train(options: argparse.Namespace) -> None:
    """Run or continue the training in ``options.out``."""
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    if options.init and not (options.out / TOKENIZER).exists():
        shutil.copy(options.init / TOKENIZER, options.out)
    tokenizer = vocabulary(options.out, options.seed)
    model = build(tokenizer)
    optimizers = build_optimizers(model, options.rate)
    step = load(options.out, model, optimizers)
    if step == 0 and options.init:
        load_exported(model, options.init)
    meter, seconds = Meter(), 0.0
    stream: Iterator[Batch] = iter(())
    while step < options.steps:
        wanted = longest_utterance(step, options.phone_steps)
        if wanted != seconds:
            seconds, stream = wanted, batches(tokenizer, options, seconds=wanted, step=step)
        rate = learning_rate(step, peak=options.rate, steps=options.steps, decay_from=options.decay_from)
        try:
            parts = one_step(model, optimizers, next(stream), rate, step < options.phone_steps)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            seconds = 0.0  # a new stream: espeak-ng 1.52 crashes once in about ten thousand sentences
            continue
        meter.add(parts)
        step += 1
        if step % 50 == 0 or step == options.steps:
            line = meter.report(step, rate)
            print(line, flush=True)
            with (options.out / LOG).open("a") as log:
                log.write(line + "\n")
        if step % 250 == 0 or step == options.steps:
            save(options.out, model, optimizers, step)


def one_step(
    model: Recogniser,
    optimizers: Sequence[torch.optim.Optimizer],
    batch: Batch,
    rate: float,
    phones_only: bool,
) -> dict[str, torch.Tensor]:
    """Take one optimiser step; a batch whose loss is not finite is passed over."""
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = rate
    parts = losses(model, batch, phones_only=phones_only)
    model.zero_grad(set_to_none=True)
    if math.isfinite(parts["loss"].item()):
        parts["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
    return {name: value.detach() for name, value in parts.items()}


if __name__ == "__main__":
    train(arguments())
