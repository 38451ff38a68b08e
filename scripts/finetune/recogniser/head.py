"""The CTC head in PyTorch: its examples, its loss, and the gate that makes it cheap."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from asr.base import AsrRequest
from asr.ctc import CONTEXT, CtcHead
from asr.whisper import WhisperEngine
from cantonese.scoring import character_error_rate
from cantonese.spoken import MARKS
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.manifest import Manifest
from scripts.finetune.recogniser.checkpoint import HEADS

MISSED = 0.005
"""Share of states with a token that the gate may take for blank."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """States of one utterance, float16, shape (states, d), and the rows of its tokens."""

    states: NDArray[np.float16]
    rows: list[int]


class Head(nn.Module):
    """The head in PyTorch; see :class:`asr.ctc.CtcHead` for the shapes."""

    def __init__(self, tokens: Sequence[int], width: int, inner: int) -> None:
        super().__init__()
        self.tokens = list(tokens)
        self.linear = nn.Linear(width, len(self.tokens) + 1)
        self.inner = nn.Conv1d(width, inner, 2 * CONTEXT + 1, padding=CONTEXT) if inner else None
        self.outer = nn.Linear(inner, width, bias=False) if inner else None
        if self.outer is not None:
            nn.init.zeros_(self.outer.weight)

    def mixed(self, states: torch.Tensor) -> torch.Tensor:
        """Return states, shape (batch, states, d), with the head's own layer added."""
        if self.inner is None or self.outer is None:
            return states
        hidden = functional.relu(self.inner(states.transpose(1, 2))).transpose(1, 2)
        return states + self.outer(hidden)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities, shape (batch, states, tokens + 1)."""
        return functional.log_softmax(self.linear(self.mixed(states)), -1)

    def as_arrays(self, gate: NDArray[np.float32], gate_bias: float) -> CtcHead:
        """Return what the engine loads."""
        width = self.linear.in_features
        inner = np.zeros((0, (2 * CONTEXT + 1) * width), np.float32)
        inner_bias, outer = np.zeros(0, np.float32), np.zeros((width, 0), np.float32)
        if self.inner is not None and self.outer is not None:
            inner = self.inner.weight.detach().permute(0, 2, 1).reshape(self.inner.out_channels, -1).numpy()
            inner_bias, outer = self.inner.bias.detach().numpy(), self.outer.weight.detach().numpy()  # type: ignore[union-attr]
        return CtcHead(
            tokens=np.asarray(self.tokens, np.int32),
            weight=self.linear.weight.detach().numpy(),
            bias=self.linear.bias.detach().numpy(),
            gate=gate,
            gate_bias=gate_bias,
            inner=inner,
            inner_bias=inner_bias,
            outer=outer,
        )


def started_head(
    engine: WhisperEngine, texts: Sequence[str], width: int, start: Path | None, inner: int
) -> Head:
    """Return a head for all tokens of ``texts``, its rows from ``start`` where that has them.

    Raises:
        FinetuneError: ``start`` has no heads, or those of another model.
    """
    seen = {token for text in texts for token in engine.tokens_of(without_pauses(text))}
    if start is None:
        return Head(sorted(seen), width, inner)
    if not (start / HEADS).is_file():
        raise FinetuneError(f"no {HEADS} in {start}; leave out --start to begin at random")
    weights = load_file(start / HEADS)
    weight, bias = weights["ctc_head.weight"].float(), weights["ctc_head.bias"].float()
    if weight.shape[1] != width or max(seen) >= len(weight) - 1:
        raise FinetuneError(f"{start / HEADS} is of another model; leave out --start")
    head = Head(range(len(weight) - 1), width, inner)
    with torch.no_grad():
        head.linear.weight.copy_(weight)
        head.linear.bias.copy_(bias)
    return head


def without_pauses(text: str) -> str:
    """Return ``text`` without its marks, which nobody hears."""
    return "".join(char for char in text if char not in MARKS)


def examples(engine: WhisperEngine, manifest: Manifest, head: Head) -> list[Example]:
    """Return the encoder's states and the rows of the tokens of every utterance that has room for them."""
    row_of = {token: row for row, token in enumerate(head.tokens)}
    found = []
    shown = track(
        manifest.utterances, "encoding", console=Console(stderr=True), disable=not sys.stderr.isatty()
    )
    for utterance in shown:
        states = engine.states([AsrRequest(pcm=manifest.pcm(utterance), final=False)])[0]
        rows = [row_of.get(token, -1) for token in engine.tokens_of(without_pauses(utterance.text))]
        doubled = sum(a == b for a, b in itertools.pairwise(rows))
        if rows and min(rows) >= 0 and len(rows) + doubled <= len(states):
            found.append(Example(states.astype(np.float16), rows))
    if not found:
        raise FinetuneError("no utterance is long enough for its text; is the manifest the right one?")
    return found


def batches(found: list[Example], states: int, rng: np.random.Generator) -> Iterator[list[Example]]:
    """Return batches of about equal length, in random order."""
    order = sorted(found, key=lambda example: len(example.states) + rng.uniform(0, 8))
    batches: list[list[Example]] = [[]]
    for example in order:
        if batches[-1] and (len(batches[-1]) + 1) * len(example.states) > states:
            batches.append([])
        batches[-1].append(example)
    for index in rng.permutation(len(batches)):
        yield batches[index]


def head_loss(head: Head, batch: list[Example]) -> torch.Tensor:
    """Return the CTC loss of a batch for each token."""
    longest = max(len(example.states) for example in batch)
    states = torch.zeros(len(batch), longest, batch[0].states.shape[1])
    for row, example in enumerate(batch):
        states[row, : len(example.states)] = torch.from_numpy(example.states.astype(np.float32))
    labels = torch.tensor([row for example in batch for row in example.rows])
    loss: torch.Tensor = functional.ctc_loss(
        head(states).transpose(0, 1),
        labels,
        torch.tensor([len(example.states) for example in batch]),
        torch.tensor([len(example.rows) for example in batch]),
        blank=len(head.tokens),
        reduction="sum",
        zero_infinity=True,
    )
    return loss / len(labels)


def finished(head: Head, data: Sequence[Example]) -> CtcHead:
    """Return the head with its gate: least squares on which states have a token, then a threshold.

    The threshold lets all but :data:`MISSED` of the states with a token through.
    """
    sample = data[:: max(1, len(data) // 400)]
    with torch.no_grad():
        mixed = [head.mixed(torch.from_numpy(e.states.astype(np.float32))[None])[0] for e in sample]
        open_states = torch.cat([head.linear(m).argmax(-1) != len(head.tokens) for m in mixed]).numpy()
    x = torch.cat(mixed).numpy().astype(np.float64)
    wide = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    wanted = np.where(open_states, 1.0, -1.0)
    weight = np.where(open_states, (~open_states).sum() / max(1, open_states.sum()), 1.0)
    gram = (wide * weight[:, None]).T @ wide + 1e-3 * np.eye(wide.shape[1])
    gate = np.linalg.solve(gram, (wide * weight[:, None]).T @ wanted)
    scores = wide @ gate
    threshold = np.quantile(scores[open_states], MISSED) if open_states.any() else 0.0
    return head.as_arrays(gate[:-1].astype(np.float32), float(gate[-1] - threshold))


def measure(engine: WhisperEngine, head: CtcHead, dev: Manifest) -> dict[str, float]:
    """Return character error rate without marks, and the share of states behind the gate, on ``dev``."""
    texts, opened, total = [], 0, 0
    for utterance in dev.utterances:
        states = engine.states([AsrRequest(pcm=dev.pcm(utterance), final=False)])[0]
        texts.append(engine.text_of(head.read(states).tokens))
        opened += int((head.mixed(states) @ head.gate + head.gate_bias >= 0).sum())
        total += len(states)
    said = [without_pauses(utterance.text) for utterance in dev.utterances]
    return {"cer": round(character_error_rate(said, texts), 5), "open": round(opened / max(1, total), 4)}
