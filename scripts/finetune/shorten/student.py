"""What learns: a Whisper at the speech's own length, pulled to the decoder states of its teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import WhisperForConditionalGeneration

from asr.features import LogMel
from scripts.finetune.common.manifest import Manifest
from scripts.finetune.recogniser.examples import BUCKET, WINDOW, Job, pad
from scripts.finetune.recogniser.network import encode
from scripts.finetune.shorten.teacher import Target


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """TargetBatches, padded.

    Attributes:
        features: log-mel at the longest member's own length, float32, shape (batch, mels, frames).
        tokens: decoder input, int64, shape (batch, n), 0 beyond the end.
        states: of the teacher behind each token, float32, shape (batch, n, d_model).
        real: where ``tokens`` and ``states`` are not padding, bool, shape (batch, n).
    """

    features: torch.Tensor
    tokens: torch.Tensor
    states: torch.Tensor
    real: torch.Tensor


class TargetBatches(torch.utils.data.Dataset[Batch]):
    """Gives the batch of a job (epoch, indices).

    Args:
        manifest: that the targets' audio is read from.
        targets: what the teacher heard.
        n_mels: rows of the front end.
    """

    def __init__(self, manifest: Manifest, targets: Sequence[Target], n_mels: int) -> None:
        self._manifest = manifest
        self._targets = targets
        self._log_mel = LogMel(n_mels)

    def __getitem__(self, job: Job) -> Batch:  # type: ignore[override]
        members = [self._targets[index] for index in job[1]]
        clips = [self._manifest.pcm(target.utterance)[:WINDOW] for target in members]
        size = max(map(len, clips))
        size = min(WINDOW, size + -size % BUCKET)
        features = np.stack([self._log_mel(np.pad(clip, (0, size - len(clip)))) for clip in clips])
        states = nn.utils.rnn.pad_sequence([target.states.float() for target in members], batch_first=True)
        lengths = torch.tensor([len(target.tokens) for target in members])
        return Batch(
            torch.from_numpy(features),
            pad([target.tokens.tolist() for target in members], 0),
            states,
            torch.arange(states.shape[1])[None] < lengths[:, None],
        )


class Student(nn.Module):
    """Whisper with embeddings that stay, so that teacher and student read states alike.

    Args:
        whisper: the model.
    """

    def __init__(self, whisper: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.whisper = whisper
        whisper.model.decoder.embed_tokens.requires_grad_(False)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the :meth:`losses` of a batch."""
        return self.losses(encode(self.whisper, batch.features), batch)

    def losses(self, states: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """Return ``loss``, the sum of its parts, for encoder states of a batch.

        ``divergence`` is of the next token's distribution (Kullback and Leibler, in nats a token), ``states``
        the squared distance of the decoder states over the teacher's mean square.
        """
        hidden = self.whisper.model.decoder(
            input_ids=batch.tokens,
            encoder_hidden_states=states,
            use_cache=False,
        ).last_hidden_state[batch.real]
        wanted = batch.states[batch.real]
        with torch.no_grad():
            said = self.whisper.proj_out(wanted).float().log_softmax(-1)
        written = self.whisper.proj_out(hidden).float().log_softmax(-1)
        divergence = functional.kl_div(written, said, log_target=True, reduction="batchmean")
        distance = (hidden.float() - wanted).square().mean() / wanted.square().mean()
        return {
            "loss": divergence + distance,
            "divergence": divergence.detach(),
            "states": distance.detach(),
        }
