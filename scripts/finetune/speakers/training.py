"""Training of the speaker embedding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor

from scripts.finetune.speakers.examples import Piece
from scripts.finetune.speakers.network import FRONT, MarginHead, SpeakerNetwork

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How to train.

    Attributes:
        steps: batches.
        batch: crops a step.
        seconds: shortest and longest crop; a batch has one length.
        rate: highest learning rate.
        margin: of the angular softmax, in radians; reached after a third of the steps.
        seed: of everything.
    """

    steps: int = 4000
    batch: int = 64
    seconds: tuple[float, float] = (1.2, 2.4)
    rate: float = 2e-3
    margin: float = 0.2
    seed: int = 0


def train(
    pieces: Sequence[Piece],
    settings: TrainSettings,
    *,
    network: SpeakerNetwork | None = None,
    after: Callable[[int, float, SpeakerNetwork], None] = lambda step, loss, network: None,
) -> SpeakerNetwork:
    """Train on ``pieces`` and return the network, in evaluation mode.

    Args:
        pieces: to learn from.
        settings: how.
        network: to go on from; None begins anew.
        after: is told of every 250th step: its number, the mean loss since, the network.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    network = network or SpeakerNetwork()
    drawer = _Drawer(pieces, rng)
    head = MarginHead(len(drawer.names))
    optimizer = torch.optim.AdamW(
        [*network.parameters(), *head.parameters()], settings.rate, weight_decay=0.05
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.rate, total_steps=settings.steps, pct_start=0.15
    )
    losses: list[float] = []
    network.train()
    with Progress(transient=True) as progress:
        for step in progress.track(range(1, settings.steps + 1), description="speakers"):
            head.margin = settings.margin * min(1.0, 3 * step / settings.steps)
            mel, speakers = drawer.draw(settings.batch, rng.uniform(*settings.seconds))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                embeddings = network(mel)
            loss = head(embeddings.float(), speakers)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if step % 250 == 0:
                after(step, float(np.mean(losses[-250:])), network)
                network.train()
    return network.eval()


class _Drawer:
    """Draws speakers, then a recording of each, then a part of it."""

    def __init__(self, pieces: Sequence[Piece], rng: np.random.Generator) -> None:
        by_speaker: Mapping[str, list[Piece]] = defaultdict(list)
        for piece in pieces:
            by_speaker[piece.speaker].append(piece)
        self.names = sorted(by_speaker)
        self._pieces = [by_speaker[name] for name in self.names]
        counts = np.array([len(found) for found in self._pieces], np.float64)
        self._weights = np.sqrt(counts) / np.sqrt(counts).sum()
        self._rng = rng

    def draw(self, batch: int, seconds: float) -> tuple[Tensor, Tensor]:
        """Return energies, shape (batch, frames, bins), and speaker numbers, shape (batch,)."""
        frames = int(seconds * 1000 / FRONT.shift_ms)
        speakers = self._rng.choice(len(self._pieces), batch, p=self._weights)
        mels = [self._crop(self._pieces[speaker], frames) for speaker in speakers]
        return torch.from_numpy(np.stack(mels)), torch.from_numpy(speakers)

    def _crop(self, pieces: Sequence[Piece], frames: int) -> Array:
        rng = self._rng
        mel = pieces[int(rng.integers(len(pieces)))].mel
        if len(mel) < frames:
            mel = np.tile(mel, (frames // len(mel) + 1, 1))
        start = int(rng.integers(0, len(mel) - frames + 1))
        piece = mel[start : start + frames].astype(np.float32)
        piece -= piece.mean(axis=0)
        if rng.random() < 0.5:  # SpecAugment (Park et al. 2019)
            band = int(rng.integers(0, FRONT.bins - 6))
            piece[:, band : band + int(rng.integers(1, 7))] = 0
        if rng.random() < 0.5:
            frame = int(rng.integers(0, frames - 15))
            piece[frame : frame + int(rng.integers(3, 15))] = 0
        return piece
