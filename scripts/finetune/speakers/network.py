"""The embedding network: a time-delay network with residual blocks and attentive statistics pooling.

After x-vectors (Snyder et al. 2018), with the pooling of ECAPA-TDNN (Desplanques et al. 2020) and squeeze
and excitation; frames are halved by the first layer, because that halves the cost. Sizes are ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from diarization.fbank import FbankSpec

FRONT = FbankSpec(bins=48, low_hz=100.0, high_hz=3800.0, window="hamming", scale=1.0)
"""What a telephone carries; the network sees nothing else, so that wide-band recordings look alike."""
SIZE = 128


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Conv1d(width, width, 1), nn.BatchNorm1d(width),
        )  # fmt: skip
        self.squeeze = nn.Sequential(
            nn.Linear(width, width // 8), nn.ReLU(), nn.Linear(width // 8, width), nn.Sigmoid()
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Return ``hidden``, shape (batch, width, frames), with what the block adds."""
        change = self.layers(hidden)
        return torch.relu(hidden + change * self.squeeze(change.mean(-1))[..., None])


class SpeakerNetwork(nn.Module):
    """Log mel energies in, an embedding out.

    Args:
        width: channels of the hidden layers.
        blocks: dilation of each residual block.
    """

    def __init__(self, width: int = 224, blocks: tuple[int, ...] = (1, 2, 3, 4)) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv1d(FRONT.bins, width, 5, stride=2, padding=2), nn.BatchNorm1d(width), nn.ReLU()
        )
        self.blocks = nn.ModuleList(_Block(width, dilation) for dilation in blocks)
        wide = 2 * width
        self.last = nn.Sequential(nn.Conv1d(width, wide, 1), nn.BatchNorm1d(wide), nn.ReLU())
        self.attention = nn.Sequential(nn.Conv1d(wide, 64, 1), nn.Tanh(), nn.Conv1d(64, wide, 1))
        self.head = nn.Sequential(nn.BatchNorm1d(2 * wide), nn.Linear(2 * wide, SIZE), nn.BatchNorm1d(SIZE))

    def forward(self, mel: Tensor) -> Tensor:
        """Return embeddings, shape (batch, SIZE), of ``mel``, shape (batch, frames, bins)."""
        hidden = self.first(mel.transpose(1, 2))
        for block in self.blocks:
            hidden = block(hidden)
        hidden = self.last(hidden)
        weight = torch.softmax(self.attention(hidden), -1)
        mean = (weight * hidden).sum(-1)
        deviation = ((weight * hidden * hidden).sum(-1) - mean * mean).clamp(min=1e-5).sqrt()
        return self.head(torch.cat([mean, deviation], 1))


class MarginHead(nn.Module):
    """Additive angular margin (Deng et al. 2019): classes of training speakers, thrown away afterwards."""

    def __init__(self, speakers: int, scale: float = 30.0) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.empty(speakers, SIZE))
        nn.init.xavier_normal_(self.centres)
        self.scale, self.margin = scale, 0.0

    def forward(self, embeddings: Tensor, speakers: Tensor) -> Tensor:
        """Return the mean loss of a batch."""
        cosine = nn.functional.linear(
            nn.functional.normalize(embeddings), nn.functional.normalize(self.centres)
        ).clamp(-1 + 1e-6, 1 - 1e-6)
        own = cosine.gather(1, speakers[:, None])
        moved = own * math.cos(self.margin) - (1 - own * own).sqrt() * math.sin(self.margin)
        logits = self.scale * cosine.scatter(1, speakers[:, None], moved)
        return nn.functional.cross_entropy(logits, speakers)
