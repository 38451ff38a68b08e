"""The network: a few perceptrons on level-free figures and a small convolutional net on the log mel spectrum.

Both see the same window; their logits are averaged. The shape follows what a trial on six corpora found best
(features and a CNN together beat either one on unseen languages); sizes are ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotion.features import MEL_BANDS
from emotion.functionals import COUNT
from scripts.finetune.voices.sets import CLASSES

HEADS = 1 + len(CLASSES) + 2
"""Agitation, the classes, arousal and valence."""
LIMIT = 4.0
"""Standard deviations at which a figure is clipped, so that a broken window cannot run away."""


class Perceptron(nn.Module):
    """Figures, and their distance from the speaker's usual ones."""

    def __init__(self, hidden: int = 96) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(COUNT))
        self.register_buffer("scale", torch.ones(COUNT))
        self.register_buffer("distance_scale", torch.ones(COUNT))
        self.layers = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(2 * COUNT + 1, hidden), nn.GELU(), nn.Dropout(0.4),
            nn.Linear(hidden, 48), nn.GELU(), nn.Dropout(0.4), nn.Linear(48, HEADS),
        )  # fmt: skip

    def inputs(self, figures: Tensor, baseline: Tensor, known: Tensor) -> Tensor:
        """Return standardised figures, distances (0 without a baseline), and whether there is one."""
        own = ((figures - self.mean) / self.scale).clamp(-LIMIT, LIMIT)
        distance = ((figures - baseline) / self.distance_scale).clamp(-LIMIT, LIMIT) * known
        return torch.cat([own, distance, known], 1)

    def forward(self, figures: Tensor, baseline: Tensor, known: Tensor) -> Tensor:
        """Return logits, shape (batch, HEADS)."""
        return self.layers(self.inputs(figures, baseline, known))


class Convolution(nn.Module):
    """Log mel spectra of any length, pooled by attention to mean and deviation."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.image = nn.Sequential(
            nn.Conv2d(1, 16, (5, 5), stride=(2, 2), padding=2), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 24, (3, 3), stride=(2, 1), padding=1), nn.BatchNorm2d(24), nn.ReLU(),
        )  # fmt: skip
        rows = 24 * MEL_BANDS // 4
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(rows if dilation == 1 else width, width, 3, padding=dilation, dilation=dilation),
                nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2),
            )
            for dilation in (1, 2, 4)
        )  # fmt: skip
        self.attention = nn.Conv1d(width, 1, 1)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * width, HEADS))

    def forward(self, mel: Tensor) -> Tensor:
        """Return logits, shape (batch, HEADS), of ``mel``, shape (batch, MEL_BANDS, frames)."""
        hidden = self.image(mel[:, None]).flatten(1, 2)
        for number, block in enumerate(self.blocks):
            hidden = block(hidden) + (hidden if number else 0)
        weight = torch.softmax(self.attention(hidden), -1)
        mean = (weight * hidden).sum(-1)
        deviation = ((weight * hidden * hidden).sum(-1) - mean * mean).clamp(min=1e-5).sqrt()
        return self.head(torch.cat([mean, deviation], 1))


class VoiceNetwork(nn.Module):
    """Several of both, averaged; what is exported."""

    def __init__(self, perceptrons: int = 3, convolutions: int = 1) -> None:
        super().__init__()
        self.perceptrons = nn.ModuleList(Perceptron() for _ in range(perceptrons))
        self.convolutions = nn.ModuleList(Convolution() for _ in range(convolutions))

    def forward(
        self, figures: Tensor, baseline: Tensor, has_baseline: Tensor, mel: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits: agitation (batch, 1), classes (batch, 5), arousal and valence (batch, 2)."""
        told = torch.stack([net(figures, baseline, has_baseline) for net in self.perceptrons]).mean(0)
        seen = torch.stack([net(mel) for net in self.convolutions]).mean(0)
        logits = (told + seen) / 2
        return logits[:, :1], logits[:, 1 : 1 + len(CLASSES)], logits[:, 1 + len(CLASSES) :]
