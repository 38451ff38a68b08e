"""The small recogniser: a small Whisper with CTC heads, trained at exact utterance lengths.

Whisper (Radford et al. 2022) with d_model 192 and 4 + 2 layers; the CTC heads follow the hybrid
CTC/attention recipe (Watanabe et al. 2017): without CTC first, attention never aligns at this size.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import WhisperConfig, WhisperForConditionalGeneration

from scripts.finetune.recogniser.checkpoint import HEADS
from scripts.finetune.recogniser.network import encode
from scripts.finetune.tiny.examples import PHONES, Batch
from scripts.finetune.tiny.tokenizer import token_id

GUIDE_WIDTH = 0.15  # share of the utterance by which attention may be off the diagonal
TEXT_CTC_SHARE = 0.5  # of each batch: a softmax over every character on every frame is dear


def whisper_config(
    tokenizer: Tokenizer, *, d_model: int = 192, encoder_layers: int = 4, decoder_layers: int = 2
) -> WhisperConfig:
    """Return the architecture for ``tokenizer``."""
    end = token_id(tokenizer, "<|endoftext|>")
    return WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(),
        num_mel_bins=80,
        d_model=d_model,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        encoder_attention_heads=d_model // 64,
        decoder_attention_heads=d_model // 64,
        encoder_ffn_dim=4 * d_model,
        decoder_ffn_dim=4 * d_model,
        max_source_positions=1500,
        max_target_positions=448,
        dropout=0.0,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=token_id(tokenizer, "<|startoftranscript|>"),
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


class Recogniser(nn.Module):
    """Whisper plus two CTC heads on the encoder: phonemes (training aid) and text tokens.

    Args:
        config: the Whisper architecture.
        text_tokens: how many vocabulary entries are text; the CTC blank is the one behind them.
        nospeech: id of ``<|nospeech|>``.
    """

    def __init__(self, config: WhisperConfig, *, text_tokens: int, nospeech: int) -> None:
        super().__init__()
        self.whisper = WhisperForConditionalGeneration(config)
        self.phone_head = nn.Linear(config.d_model, len(PHONES))
        self.ctc_head = nn.Linear(config.d_model, text_tokens + 1)
        self._nospeech = nospeech
        eager = copy.deepcopy(config)  # the only attention whose weights are wanted in training
        eager._attn_implementation = "eager"  # noqa: SLF001 (transformers offers no public per-module switch)
        for layer in self.whisper.model.decoder.layers:
            layer.encoder_attn.config = eager

    @property
    def blank(self) -> int:
        """The blank label of :attr:`ctc_head`."""
        return self.ctc_head.out_features - 1

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        """Encode at the features' own length.

        Args:
            features: log-mel, float32, shape (batch, 80, frames).

        Returns:
            states, shape (batch, ceil(frames / 2), d_model).
        """
        return encode(self.whisper, features)

    def phone_loss(self, states: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the phoneme CTC loss per label."""
        return _ctc(self.phone_head(states), batch.phones, batch.phone_lengths, blank=0)

    def text_ctc_loss(self, states: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the text CTC loss per label, on a share of the batch."""
        rows = max(1, int(len(states) * TEXT_CTC_SHARE))
        logits = self.ctc_head(states[:rows])
        return _ctc(logits, batch.ctc[:rows], batch.ctc_lengths[:rows], blank=self.blank)

    def attention_loss(
        self, states: torch.Tensor, batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the decoder's cross entropy per token, its accuracy, and how far attention strays."""
        inputs = batch.tokens[:, :-1].clamp(min=0)
        targets = batch.tokens[:, 1:].clone()
        positions = torch.arange(targets.shape[1])[None]
        first = batch.target_from[:, None] - 1
        targets[(positions < first) | ((positions > first) & (positions < first + 3))] = -100
        targets[batch.silent, (batch.target_from - 1)[batch.silent]] = self._nospeech
        output = self.whisper.model.decoder(
            input_ids=inputs, encoder_hidden_states=states, use_cache=False, output_attentions=True
        )
        hidden = output.last_hidden_state
        wanted = targets != -100
        logits = self.whisper.proj_out(hidden[wanted]).float()
        loss = functional.cross_entropy(logits, targets[wanted], label_smoothing=0.05)
        accuracy = (logits.argmax(-1) == targets[wanted]).float().mean()
        spoken = (positions >= first + 3) & (batch.tokens[:, 1:] != -100)
        return loss, accuracy, stray_attention(output.cross_attentions, spoken)


def stray_attention(weights: tuple[torch.Tensor, ...], spoken: torch.Tensor) -> torch.Tensor:
    """Return how much attention lies off the diagonal, 0 to 1 (guided attention, Tachibana et al. 2017).

    Speech is read in order; told so, cross-attention aligns within hundreds of steps. One head of each
    layer is left free.

    Args:
        weights: cross-attention by layer, shape (batch, heads, tokens, states).
        spoken: which positions write text, bool, shape (batch, tokens).
    """
    order = (spoken.cumsum(1) - 0.5) / spoken.sum(1, keepdim=True).clamp(min=1)
    place = (torch.arange(weights[0].shape[-1]) + 0.5) / weights[0].shape[-1]
    penalty = 1 - torch.exp(-((order[..., None] - place) ** 2) / (2 * GUIDE_WIDTH**2))
    penalty = penalty * spoken[..., None]
    parts = [(layer[:, 1:].float().mean(1) * penalty).sum(-1) for layer in weights]
    total: torch.Tensor = torch.stack(parts).mean(0).sum() / spoken.sum().clamp(min=1)
    return total


def _ctc(logits: torch.Tensor, labels: torch.Tensor, lengths: torch.Tensor, *, blank: int) -> torch.Tensor:
    log_probs = logits.float().log_softmax(-1).transpose(0, 1)
    frames = torch.full((logits.shape[0],), logits.shape[1])
    loss: torch.Tensor = functional.ctc_loss(
        log_probs, labels, frames, lengths, blank=blank, reduction="sum", zero_infinity=True
    )
    return loss / lengths.sum().clamp(min=1)


def load_exported(model: Recogniser, folder: Path) -> None:
    """Fill ``model`` with the weights of an exported Hugging Face folder, CTC heads included.

    Raises:
        FileNotFoundError: the folder lacks one of the two weight files.
        RuntimeError: the weights are of another size.
    """
    weights = load_file(folder / "model.safetensors")
    weights.setdefault("proj_out.weight", weights["model.decoder.embed_tokens.weight"])
    model.whisper.load_state_dict({name: value.float() for name, value in weights.items()})
    heads = load_file(folder / HEADS)
    for name in ("phone_head", "ctc_head"):
        own = {key: heads[f"{name}.{key}"].float() for key in ("weight", "bias")}
        getattr(model, name).load_state_dict(own)


def build(tokenizer: Tokenizer, *, d_model: int = 192) -> Recogniser:
    """Return an untrained recogniser for ``tokenizer``."""
    return Recogniser(
        whisper_config(tokenizer, d_model=d_model),
        text_tokens=token_id(tokenizer, "<|endoftext|>"),
        nospeech=token_id(tokenizer, "<|nospeech|>"),
    )
