"""A segmentation network that stands on the speaker embedding's shoulders.

Its lower layers are those of the trained embedding, frozen: what they tell about a voice every 20 ms is far
more than a network of this size learns from a few hours of mixtures. Two recurrent layers above them find out
who speaks when. A model of pyannote.audio like any other, so that its tasks train it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pyannote.audio.core.model import Model
from pyannote.audio.core.task import Task
from torch import Tensor, nn

from diarization.base import SAMPLE_RATE
from diarization.fbank import FFT, mel_filters, window_of
from scripts.finetune.speakers.network import FRONT, SpeakerNetwork

FRAME = 4 * FRONT.shift
"""Samples from one answer to the next: 40 ms."""
BLOCKS = 3
"""Residual blocks taken from the embedding."""


class Fbank(nn.Module):
    """:func:`diarization.fbank.fbank` as one convolution and a matrix, so that it can be exported."""

    def __init__(self) -> None:
        super().__init__()
        size = FRONT.frame
        linear = np.eye(size) - 1 / size
        linear = linear - FRONT.preemphasis * np.vstack([linear[:1], linear[:-1]])
        waves = np.exp(-2j * np.pi * np.outer(np.arange(FFT // 2 + 1), np.arange(size)) / FFT)
        kernels = (waves * window_of(FRONT.window, size)) @ linear
        both = np.concatenate([kernels.real, kernels.imag]).astype(np.float32)[:, None]
        self.register_buffer("kernels", torch.from_numpy(both), persistent=False)
        filters = mel_filters(FRONT.bins, FRONT.low_hz, FRONT.high_hz)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return energies, shape (batch, frames, bins), of ``waveforms``, shape (batch, 1, samples)."""
        parts = nn.functional.conv1d(waveforms, self.kernels, stride=FRONT.shift)
        real, imaginary = parts.chunk(2, dim=1)
        power = (real * real + imaginary * imaginary).transpose(1, 2)
        mel = torch.log(torch.clamp(power @ self.filters, min=float(np.finfo(np.float32).eps)))
        return mel - mel.mean(dim=1, keepdim=True)


class TdnnSegmentation(Model):
    """Waveforms in, log probabilities of sets of local speakers out.

    Args:
        hidden: of each recurrent layer and direction.
        width: of the embedding's layers.
        sample_rate: 16 kHz.
        num_channels: 1.
        task: of pyannote.audio.
    """

    def __init__(
        self,
        hidden: int = 96,
        width: int = 224,
        sample_rate: int = SAMPLE_RATE,
        num_channels: int = 1,
        task: Task | None = None,
    ) -> None:
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, task=task)
        self.save_hyperparameters("hidden", "width")
        speaker = SpeakerNetwork(width)
        self.fbank = Fbank()
        self.voice = nn.Sequential(speaker.first, *list(speaker.blocks)[:BLOCKS])
        self.thaw(False)
        self.reduce = nn.Sequential(nn.Conv1d(width, hidden, 3, stride=2, padding=1), nn.ReLU())
        self.lstm = nn.LSTM(hidden, hidden, 2, bidirectional=True, batch_first=True)
        self.linear = nn.Sequential(nn.Linear(2 * hidden, 64), nn.LeakyReLU())

    def thaw(self, thawed: bool = True) -> None:
        """Let the embedding's layers learn too, or freeze them; their batch statistics stay either way."""
        self.thawed = thawed
        for weight in self.voice.parameters():
            weight.requires_grad = thawed

    def take_voice(self, state: Mapping[str, Tensor]) -> None:
        """Take the lower layers of a trained embedding."""
        speaker = SpeakerNetwork(self.hparams.width)
        speaker.load_state_dict(state)
        self.voice.load_state_dict(nn.Sequential(speaker.first, *list(speaker.blocks)[:BLOCKS]).state_dict())

    @property
    def dimension(self) -> int:
        """Number of classes."""
        return int(self.specifications.num_powerset_classes)

    def build(self) -> None:
        """Make the last layer, once the task has said how many classes there are."""
        self.classifier = nn.Linear(64, self.dimension)
        self.activation = self.default_activation()

    def num_frames(self, num_samples: int) -> int:
        """Return the number of answers for so many samples."""
        mel = 1 + (num_samples - FRONT.frame) // FRONT.shift
        return ((mel - 1) // 2) // 2 + 1

    def receptive_field_size(self, num_frames: int = 1) -> int:
        """Return the samples behind so many answers."""
        return FRONT.frame + (num_frames - 1) * FRAME

    def receptive_field_center(self, frame: int = 0) -> int:
        """Return the sample in the middle of an answer."""
        return FRONT.frame // 2 + frame * FRAME

    def train(self, mode: bool = True) -> TdnnSegmentation:
        """Switch to training; the frozen layers stay as they are."""
        super().train(mode)
        self.voice.eval()
        return self

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return log probabilities, shape (batch, frames, classes), of ``waveforms`` (batch, 1, samples)."""
        with torch.set_grad_enabled(self.thawed and torch.is_grad_enabled()):
            told = self.voice(self.fbank(waveforms).transpose(1, 2))
        hidden = self.reduce(told).transpose(1, 2)
        return self.activation(self.classifier(self.linear(self.lstm(hidden)[0])))
