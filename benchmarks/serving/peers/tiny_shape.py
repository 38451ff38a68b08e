"""The bundled recogniser at whisper-tiny's shape and with Whisper's vocabulary size: same text, tiny's cost.

    python -m benchmarks.serving.peers.tiny_shape --out runs/tiny-shape
    python -m benchmarks.serving.peers.tiny_shape --out runs/tiny-trimmed --vocabulary 9600

Public weights cannot be had everywhere, and random ones write nonsense; so the bundled model is widened
without changing what it computes (Net2Net, Chen et al. 2016): every feature twice, weights halved where
they are summed, two further decoder layers that add nothing, and rows for tokens that are never chosen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from asr.convert import convert
from asr.ctc import CtcHead, read_head
from scripts.finetune.tiny.export import generation_config
from scripts.finetune.tiny.model import whisper_config
from scripts.finetune.tiny.tokenizer import token_id

CHECKPOINT = Path(__file__).resolve().parents[3] / "scripts" / "finetune" / "tiny" / "checkpoint"
TINY = Path(__file__).resolve().parents[3] / "asr" / "tiny"
WIDTH, LAYERS = 384, 4
VOCABULARY = 51_866
"""Tokens of the published models since large-v3; our ``--trim-vocabulary`` leaves some 9,600."""
NARROW = 192
HALF = np.float32(0.5)
_LAST_NORM = "model.decoder.layer_norm."


def wide_tokenizer(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """Return ``tokenizer`` with ``size`` tokens: the added ones are in no text."""
    data = json.loads(tokenizer.to_str())
    extra = size - tokenizer.get_vocab_size()
    end = token_id(tokenizer, "<|endoftext|>")
    added = {entry["content"] for entry in data["added_tokens"]}
    vocabulary = data["model"]["vocab"]
    for token, index in list(vocabulary.items()):
        if index >= end or token in added:
            vocabulary[token] = index + extra
    vocabulary |= {f"unused{number}": end + number for number in range(extra)}
    for entry in data["added_tokens"]:
        entry["id"] += extra
    return Tokenizer.from_str(json.dumps(data))


def widened(name: str, weight: torch.Tensor) -> torch.Tensor:
    """Return a weight for features that all come twice."""
    if name.endswith("embed_positions.weight"):
        return torch.cat([weight, weight], 1)
    if name.endswith("conv1.weight"):  # reads mels, which come once
        return torch.cat([weight, weight], 0)
    if weight.ndim >= 2:
        wide = torch.cat([weight, weight], 1) / 2
        return torch.cat([wide, wide], 0)
    return torch.cat([weight, weight], 0) / (2 if name.startswith(_LAST_NORM) else 1)


def wide_embedding(rows: torch.Tensor, end: int, size: int) -> torch.Tensor:
    """Return token rows, both halves alike, with copies of a row that is never chosen in between."""
    unused = rows[-2].repeat(size - len(rows), 1)  # the last but one time stamp
    every = torch.cat([rows[:end], unused, rows[end:]])
    return torch.cat([every, every], 1)


def wide_head(head: CtcHead) -> CtcHead:
    """Return the CTC head for doubled states."""
    width = head.weight.shape[1]
    inner = head.inner.reshape(len(head.inner), -1, width)
    return CtcHead(
        tokens=head.tokens,
        weight=np.concatenate([head.weight, head.weight], axis=1) * HALF,
        bias=head.bias,
        gate=np.concatenate([head.gate, head.gate]) * HALF,
        gate_bias=head.gate_bias,
        inner=(np.concatenate([inner, inner], axis=2) * HALF).reshape(len(inner), -1),
        inner_bias=head.inner_bias,
        outer=np.concatenate([head.outer, head.outer], axis=0),
    )


def build(out: Path, vocabulary: int = VOCABULARY) -> None:
    """Write the CTranslate2 int8 directory of a model with ``vocabulary`` tokens."""
    narrow = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    tokenizer = wide_tokenizer(narrow, vocabulary)
    weights = {name: value.float() for name, value in load_file(CHECKPOINT / "model.safetensors").items()}
    config = whisper_config(tokenizer, d_model=WIDTH, encoder_layers=4, decoder_layers=LAYERS)
    model = WhisperForConditionalGeneration(config)
    state = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    embedding = "model.decoder.embed_tokens.weight"
    state |= {name: widened(name, value) for name, value in weights.items() if name != embedding}
    state[embedding] = wide_embedding(weights[embedding], token_id(narrow, "<|endoftext|>"), vocabulary)
    state["proj_out.weight"] = state[embedding]
    model.load_state_dict(state)
    model.generation_config = generation_config(tokenizer)
    hf = out / "huggingface"
    model.save_pretrained(hf)
    tokenizer.save(str(hf / "tokenizer.json"))
    WhisperFeatureExtractor(feature_size=80).save_pretrained(hf)
    convert(hf, out, "int8_float32")
    declared = (
        (TINY / "yuetone.toml")
        .read_text("utf-8")
        .replace('"tiny"', '"tiny-shape"')
        .replace('"decoder"', '"ctc"')
    )
    (out / "yuetone.toml").write_text(declared, "utf-8")
    head = read_head(TINY, NARROW)
    if head is not None:
        wide_head(head).save(out)


def main() -> None:
    """Write the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY, help="tokens, at least 7,632")
    options = parser.parse_args()
    build(options.out, options.vocabulary)


if __name__ == "__main__":
    main()
