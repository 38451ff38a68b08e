"""Trimming a vocabulary to the scripts that a Hong Kong centre writes: Chinese, Latin, figures and marks.

Every token whose bytes are a whole text of another script goes; bytes, halves of characters and special
tokens stay, so nothing becomes unwritable, and texts in the kept scripts are cut into the same tokens.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, pre_tokenizers
from torch import nn
from transformers import WhisperForConditionalGeneration

from cantonese.characters import is_han
from scripts.finetune.common.errors import FinetuneError


@dataclass(frozen=True, slots=True, eq=False)
class Trimmed:
    """A smaller tokenizer.

    Attributes:
        tokenizer: with new ids.
        kept: old id of each new id.
    """

    tokenizer: Tokenizer
    kept: list[int]


def _byte_table() -> dict[str, int]:
    """Return the byte behind each character of a byte-level vocabulary (Radford et al. 2019)."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in plain}
    rest = [byte for byte in range(256) if byte not in plain]
    table |= {chr(256 + index): byte for index, byte in enumerate(rest)}
    if set(table) != set(alphabet):
        raise RuntimeError("the byte-level alphabet is not the one that this was written for")
    return table


BYTES = _byte_table()
"""The byte behind each character of a byte-level vocabulary."""


def _wanted(char: str) -> bool:
    if is_han(char) or char.isascii():
        return True
    category = unicodedata.category(char)
    return category[0] in "PSZN" and "HANGUL" not in unicodedata.name(char, "")


def is_kept(token: str, table: dict[str, int]) -> bool:
    """Tell whether a byte-level ``token`` is of a kept script, or a part of a character."""
    try:
        text = bytes(table[char] for char in token).decode()
    except (KeyError, UnicodeDecodeError):
        return True
    return all(map(_wanted, text))


Keep = Callable[[str, int], bool]
"""Tells of a token, byte-level text or special, and its id whether it stays."""


def of_kept_scripts(token: str, _index: int) -> bool:
    """Tell whether a text token is of a kept script; special ones all stay."""
    return token.startswith("<|") or is_kept(token, BYTES)


def trim_tokenizer(tokenizer: Tokenizer, keep: Keep = of_kept_scripts) -> Trimmed:
    """Return ``tokenizer`` with the tokens that ``keep`` names.

    Raises:
        FinetuneError: it is not a byte-level BPE.
    """
    data: dict[str, Any] = json.loads(tokenizer.to_str())
    model = data["model"]
    if model.get("type") != "BPE":
        raise FinetuneError(
            "only byte-level BPE vocabularies can be trimmed; export without --trim-vocabulary"
        )
    added = {entry["content"]: entry for entry in data["added_tokens"] if keep(entry["content"], entry["id"])}
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    kept = {token for token, index in model["vocab"].items() if token in added or keep(token, index)}
    merges = [(a, b) for a, b in merges if a in kept and b in kept and a + b in kept]
    everything = {**model["vocab"], **{content: entry["id"] for content, entry in added.items()}}
    order = sorted((index, token) for token, index in everything.items() if token in kept or token in added)
    new = {token: position for position, (_, token) in enumerate(order)}
    model["vocab"] = {token: new[token] for token in model["vocab"] if token in new}
    model["merges"] = [list(pair) for pair in merges]
    for content, entry in added.items():
        entry["id"] = new[content]
    data["added_tokens"] = sorted(added.values(), key=lambda entry: int(entry["id"]))
    data["post_processor"] = None  # Whisper's adds special tokens by id; the product writes them itself
    return Trimmed(Tokenizer.from_str(json.dumps(data)), [index for index, _ in order])


def trim_weights(whisper: WhisperForConditionalGeneration, kept: list[int]) -> None:
    """Keep the rows of ``kept`` in the embedding and the output of ``whisper``, in place."""
    old = whisper.model.decoder.embed_tokens
    rows = old.weight.detach()[kept].clone()
    whisper.model.decoder.embed_tokens = nn.Embedding(len(kept), rows.shape[1], _weight=rows)
    whisper.proj_out = nn.Linear(rows.shape[1], len(kept), bias=False)
    whisper.proj_out.weight = whisper.model.decoder.embed_tokens.weight
    new = {index: position for position, index in enumerate(kept)}
    config, generation = whisper.config, whisper.generation_config
    config.vocab_size = len(kept)
    for holder in (config, generation):
        _renumber(holder, new)


def _renumber(holder: Any, new: dict[int, int]) -> None:
    for name in (
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "decoder_start_token_id",
        "no_timestamps_token_id",
        "prev_sot_token_id",
    ):
        if isinstance(getattr(holder, name, None), int):
            setattr(holder, name, new.get(getattr(holder, name), 0))
    for name in ("suppress_tokens", "begin_suppress_tokens"):
        if getattr(holder, name, None):
            setattr(holder, name, [new[i] for i in getattr(holder, name) if i in new])
    for name in ("lang_to_id", "task_to_id"):
        if getattr(holder, name, None):
            old = getattr(holder, name)
            setattr(holder, name, {token: new[index] for token, index in old.items() if index in new})
    if getattr(holder, "forced_decoder_ids", None):
        holder.forced_decoder_ids = None


def trim_ctc(weights: dict[str, torch.Tensor], kept: list[int], text_tokens: int) -> dict[str, torch.Tensor]:
    """Keep the CTC head's rows of kept text tokens, and its blank, the last one."""
    rows = [index for index in kept if index < text_tokens] + [text_tokens]
    return {name: value[rows].clone() for name, value in weights.items()}
