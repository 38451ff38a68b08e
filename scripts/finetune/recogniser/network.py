"""What is trained: a Whisper fed at any length, and an optional CTC head on its encoder."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.nn import functional
from transformers import WhisperForConditionalGeneration

from scripts.finetune.common.errors import FinetuneError

LABEL_SMOOTHING = 0.05
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Padded tensors.

    Attributes:
        features: log-mel, float32, shape (batch, mels, frames).
        tokens: decoder sequences, int64, shape (batch, n), -100 beyond the end.
        first: index of the first target in ``tokens``, int64, shape (batch,).
        ctc: text tokens without marks, int64, shape (batch, m), 0 beyond ``ctc_lengths``.
        ctc_lengths: int64, shape (batch,).
    """

    features: torch.Tensor
    tokens: torch.Tensor
    first: torch.Tensor
    ctc: torch.Tensor
    ctc_lengths: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


def encode(whisper: WhisperForConditionalGeneration, features: torch.Tensor) -> torch.Tensor:
    """Encode at the features' own length, which transformers itself refuses for anything but 30 s.

    Args:
        whisper: the model.
        features: log-mel, float32, shape (batch, mels, frames), at most 3000 frames.

    Returns:
        states, shape (batch, ceil(frames / 2), d_model).
    """
    encoder = whisper.model.encoder
    hidden = functional.gelu(encoder.conv1(features))
    hidden = functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    hidden = functional.dropout(hidden, p=encoder.dropout, training=encoder.training)
    for layer in encoder.layers:
        output = layer(hidden, None)
        hidden = output[0] if isinstance(output, tuple) else output
    states: torch.Tensor = encoder.layer_norm(hidden)
    return states


class Network(nn.Module):
    """Whisper and, if ``ctc_weight`` is above 0, a CTC head (Watanabe et al. 2017).

    Args:
        whisper: the model, LoRA layers already in place if there are any.
        text_tokens: vocabulary entries that are text; the CTC blank is the one behind them.
        ctc_weight: of the CTC loss.
        ctc: weights to start the head from.

    Attributes:
        ctc_alone: the CTC loss teaches the head and leaves the encoder alone, while the head is new.
    """

    def __init__(
        self,
        whisper: WhisperForConditionalGeneration,
        *,
        text_tokens: int,
        ctc_weight: float,
        ctc: dict[str, torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.whisper = whisper
        self.ctc_weight = ctc_weight
        self.ctc_alone = False
        self.ctc_head = nn.Linear(whisper.config.d_model, text_tokens + 1) if ctc_weight > 0 else None
        if self.ctc_head is not None and ctc and ctc["bias"].shape[0] == text_tokens + 1:
            self.ctc_head.load_state_dict(ctc)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return ``loss`` and its parts, each a mean over labels."""
        states = encode(self.whisper, batch.features)
        attention, accuracy = self._attention(states, batch)
        out = {"loss": attention, "attention": attention.detach(), "accuracy": accuracy}
        if self.ctc_head is not None:
            ctc = self._ctc(states.detach() if self.ctc_alone else states, batch)
            out["loss"] = attention + self.ctc_weight * ctc
            out["ctc"] = ctc.detach()
        return out

    def _attention(self, states: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        targets = batch.tokens[:, 1:].clone()
        positions = torch.arange(1, batch.tokens.shape[1], device=targets.device)[None]
        targets[positions < batch.first[:, None]] = -100
        hidden = self.whisper.model.decoder(
            input_ids=batch.tokens[:, :-1].clamp(min=0), encoder_hidden_states=states, use_cache=False
        ).last_hidden_state
        wanted = targets != -100
        logits = self.whisper.proj_out(hidden[wanted]).float()
        loss = functional.cross_entropy(logits, targets[wanted], label_smoothing=LABEL_SMOOTHING)
        return loss, (logits.argmax(-1) == targets[wanted]).float().mean()

    def _ctc(self, states: torch.Tensor, batch: Batch) -> torch.Tensor:
        if self.ctc_head is None:
            raise RuntimeError("no CTC head")
        log_probs = self.ctc_head(states).float().log_softmax(-1).transpose(0, 1)
        frames = torch.full((states.shape[0],), states.shape[1], device=states.device)
        loss: torch.Tensor = functional.ctc_loss(
            log_probs,
            batch.ctc,
            frames,
            batch.ctc_lengths,
            blank=self.ctc_head.out_features - 1,
            reduction="sum",
            zero_infinity=True,
        )
        return loss / batch.ctc_lengths.sum().clamp(min=1)


def add_lora(whisper: WhisperForConditionalGeneration, *, rank: int, dropout: float = 0.05) -> None:
    """Freeze ``whisper`` and put low-rank adapters beside its linear layers (Hu et al. 2021), in place.

    Raises:
        FinetuneError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415 (slow to load)
    except ModuleNotFoundError as error:
        raise FinetuneError("LoRA needs peft: pip install 'yuetone[finetune]'") from error
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules=list(LORA_TARGETS))
    whisper.requires_grad_(False)
    inject_adapter_in_model(config, whisper)


def merge_lora(whisper: WhisperForConditionalGeneration) -> None:
    """Fold the adapters into the weights that they stand beside, in place."""
    from peft.tuners.tuners_utils import BaseTunerLayer  # noqa: PLC0415

    for name, module in list(whisper.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(whisper.get_submodule(parent), child, module.get_base_layer())


def trainable_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return what training changes: every weight, or adapters and head alone."""
    return {
        name: value.detach().cpu().contiguous()
        for name, value in network.named_parameters()
        if value.requires_grad
    }
