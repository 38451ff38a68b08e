"""Training of the voice network: minutes on one core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor, nn

from scripts.finetune.common.processes import Team
from scripts.finetune.emotion.examples import OTHER_LINE, Examples, baselines
from scripts.finetune.emotion.network import Convolution, Perceptron, VoiceNetwork

Array = NDArray[np.float32]

FRAMES = 160
"""1.6 s of spectrum in a training step; longer windows are cropped, shorter ones repeated."""
SMOOTHING = 0.05
NO_BASELINE = 0.35
"""Share of examples without a baseline: the first seconds of a call have none."""
EMOTION_BLIND = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How to train.

    Attributes:
        perceptron_epochs: passes over the examples.
        convolution_epochs: the same for the convolutional net.
        perceptrons: how many, from different seeds.
        seed: of everything.
        labelled_share: of what is drawn comes from sets with emotions; the rest is ordinary speech.
    """

    perceptron_epochs: float = 24.0
    convolution_epochs: float = 10.0
    perceptrons: int = 3
    seed: int = 0
    labelled_share: float = 0.55

    def scaled(self, factor: float) -> TrainSettings:
        """Return the same with ``factor`` times the passes."""
        return replace(
            self,
            perceptron_epochs=self.perceptron_epochs * factor,
            convolution_epochs=self.convolution_epochs * factor,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Targets:
    agitated: Tensor
    label: Tensor
    place: Tensor

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        """Return agitation's cross entropy plus those of the classes and of arousal and valence."""
        agitated = self.agitated[index]
        judged = agitated >= 0
        functional = nn.functional
        main = functional.binary_cross_entropy_with_logits(
            logits[judged, 0], agitated[judged] * (1 - 2 * SMOOTHING) + SMOOTHING
        )
        classes = functional.cross_entropy(logits[:, 1:-2], self.label[index], label_smoothing=0.1)
        place = functional.binary_cross_entropy_with_logits(logits[:, -2:], self.place[index])
        return main + 0.7 * classes + 0.3 * place


def _targets(examples: Examples) -> _Targets:
    return _Targets(
        agitated=torch.tensor(examples.column("agitated")),
        label=torch.tensor(examples.column("label")).long(),
        place=torch.tensor(examples.column("place")),
    )


def _weights(examples: Examples, labelled_share: float) -> NDArray[np.float64]:
    """Return the probability of drawing each example: sets of one kind share their part alike."""
    sources = np.array([clip.source for clip in examples.clips])
    labelled = {clip.source for clip in examples.clips if clip.agitated == 1}
    weights = np.zeros(len(examples))
    for source in set(sources):
        kind = [name for name in set(sources) if (name in labelled) == (source in labelled)]
        part = labelled_share if source in labelled else 1 - labelled_share
        weights[sources == source] = part / len(kind) / np.sum(sources == source)
    return weights / weights.sum()


TUNING_RATE = 0.25
"""Share of the usual learning rate where a trained network goes on: it has more to lose than to gain."""


def train(
    examples: Examples, settings: TrainSettings, start: Mapping[str, Tensor] | None = None
) -> VoiceNetwork:
    """Train on ``examples`` and return the network, in evaluation mode; alone, or with other processes.

    Args:
        examples: to learn from.
        settings: how.
        start: weights of a trained network to go on from; None begins anew.
    """
    network = VoiceNetwork(settings.perceptrons)
    if start is not None:
        network.load_state_dict(dict(start))
    team = Team()
    team.begin_alike(network)
    rate = 1.0 if start is None else TUNING_RATE
    weights, targets = _weights(examples, settings.labelled_share), _targets(examples)
    with Progress(transient=True) as progress:
        for number, perceptron in enumerate(network.perceptrons):
            rng = _begun(settings.seed, number, team)
            draw = _figures_drawer(perceptron, examples, rng, fresh=start is None)
            plan = _Plan(
                steps=int(settings.perceptron_epochs * len(examples) / 128 / team.size),
                batch=128,
                rate=2e-3 * rate,
            )
            _fit(perceptron, draw, targets, weights, rng, plan, progress, f"perceptron {number + 1}", team)
        for number, convolution in enumerate(network.convolutions):
            rng = _begun(settings.seed, 100 + number, team)
            plan = _Plan(
                steps=int(settings.convolution_epochs * len(examples) / 64 / team.size),
                batch=64,
                rate=3e-3 * rate,
            )
            draw = _mel_drawer(convolution, examples, rng)
            _fit(convolution, draw, targets, weights, rng, plan, progress, "convolution", team)
    return network.eval()


def _begun(seed: int, number: int, team: Team) -> np.random.Generator:
    """Begin a network's randomness, another one in each process; alone, that of the seed."""
    torch.manual_seed(seed + number + 1_000_003 * team.index)
    return np.random.default_rng([seed, number, team.index] if team.index else [seed, number])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    steps: int
    batch: int
    rate: float


def _fit(
    network: nn.Module,
    draw: Callable[[NDArray[np.int64]], Tensor],
    targets: _Targets,
    weights: NDArray[np.float64],
    rng: np.random.Generator,
    plan: _Plan,
    progress: Progress,
    name: str,
    team: Team,
) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), plan.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.rate, total_steps=max(2, plan.steps))
    network.train()
    for _ in progress.track(range(max(2, plan.steps)), description=name):
        index = rng.choice(len(weights), plan.batch, p=weights)
        loss = targets.loss(draw(index), torch.tensor(index))
        optimizer.zero_grad()
        loss.backward()
        team.average(network.parameters())
        optimizer.step()
        schedule.step()


def _figures_drawer(
    network: Perceptron, examples: Examples, rng: np.random.Generator, *, fresh: bool
) -> Callable[[NDArray[np.int64]], Tensor]:
    """Set the scales of a ``fresh`` network; return what makes logits of drawn, slightly shaken examples."""
    usual, known = baselines(examples, rng, emotion_blind=EMOTION_BLIND, other_line=OTHER_LINE)
    distance = (examples.figures - usual)[known] if known.any() else examples.figures
    for name, values in (
        ("mean", examples.figures.mean(axis=0)),
        ("scale", examples.figures.std(axis=0) + 1e-3),
        ("distance_scale", distance.std(axis=0) + 1e-3),
    ):
        if fresh:
            getattr(network, name).copy_(torch.tensor(values))

    def draw(index: NDArray[np.int64]) -> Tensor:
        has = known[index] & (rng.random(len(index)) > NO_BASELINE)
        inputs = network.inputs(
            torch.tensor(examples.figures[index]),
            torch.tensor(usual[index]),
            torch.tensor(has[:, None].astype(np.float32)),
        )
        return network.layers(inputs + 0.1 * torch.randn_like(inputs))

    return draw


def _mel_drawer(
    network: Convolution, examples: Examples, rng: np.random.Generator
) -> Callable[[NDArray[np.int64]], Tensor]:
    def draw(index: NDArray[np.int64]) -> Tensor:
        return network(torch.tensor(np.stack([_piece(examples.mels[i], rng) for i in index])))

    return draw


def _piece(mel: NDArray[np.float16], rng: np.random.Generator) -> Array:
    """Return FRAMES frames of ``mel``, masked (Park et al. 2019) and with a random colour."""
    length = mel.shape[1]
    if length > FRAMES:
        start = int(rng.integers(0, length - FRAMES + 1))
        mel = mel[:, start : start + FRAMES]
    elif length < FRAMES:
        mel = np.tile(mel, (1, FRAMES // length + 1))[:, :FRAMES]
    piece = mel.astype(np.float32)
    piece = piece - piece.mean() + np.cumsum(rng.normal(0, 0.05, len(piece)))[:, None].astype(np.float32)
    if rng.random() < 0.5:
        band = int(rng.integers(0, len(piece) - 8))
        piece[band : band + int(rng.integers(1, 8))] = 0
    if rng.random() < 0.5:
        frame = int(rng.integers(0, FRAMES - 24))
        piece[:, frame : frame + int(rng.integers(4, 24))] = 0
    return piece
