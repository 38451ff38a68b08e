"""The vocabulary of the bundled model: Whisper's, without what a Hong Kong centre never writes.

Chinese and parts of characters stay whole; of Latin tokens the most frequent stay, so that other words are
cut into more pieces; of special tokens those of Cantonese, Mandarin and English. Whisper base is
older than the Cantonese language token: it gets one, which starts as a copy of Mandarin's.
"""

from __future__ import annotations

import json
import random

import torch
from tokenizers import Tokenizer
from transformers import WhisperForConditionalGeneration

from cantonese.spoken import normalize_spoken
from scripts.finetune.bundled.examples import Sources
from scripts.finetune.bundled.turns import conversations, written
from scripts.finetune.recogniser.tokens import with_all_merges
from scripts.finetune.recogniser.trim import BYTES, is_kept, trim_tokenizer, trim_weights
from scripts.finetune.tiny.texts import corpus_sentences

LATIN_RANK = 6_000
"""A Latin token stays if it is among so many first ones: byte pairs are numbered by how often they occur."""
GENERATED = 20_000
"""Sentences of the customer-service grammar that the CTC head's tokens are taken from."""
SPECIAL = {
    f"<|{name}|>"
    for name in ("endoftext", "startoftranscript", "en", "zh", "yue", "translate", "transcribe", "startoflm",
                 "startofprev", "nospeech", "nocaptions", "notimestamps")
}  # fmt: skip
UNUSED_LANGUAGE = "<|jw|>"
"""Its place is taken by Cantonese where there is none."""


def with_cantonese(tokenizer: Tokenizer, whisper: WhisperForConditionalGeneration) -> Tokenizer:
    """Return a tokenizer that has ``<|yue|>``; gives it Mandarin's weights, in place, where it is new."""
    if tokenizer.token_to_id("<|yue|>") is not None:
        return tokenizer
    new, old = tokenizer.token_to_id(UNUSED_LANGUAGE), tokenizer.token_to_id("<|zh|>")
    with torch.no_grad():
        weight = whisper.model.decoder.embed_tokens.weight
        weight[new] = weight[old]
    languages = getattr(whisper.generation_config, "lang_to_id", None) or {}
    if languages.pop(UNUSED_LANGUAGE, None) is not None:
        languages["<|yue|>"] = new
    return Tokenizer.from_str(tokenizer.to_str().replace(json.dumps(UNUSED_LANGUAGE), json.dumps("<|yue|>")))


def _kept(token: str, index: int) -> bool:
    if token.startswith("<|"):
        return token in SPECIAL
    if not is_kept(token, BYTES):
        return False
    text = bytes(BYTES[char] for char in token)
    return not text.isascii() or index < LATIN_RANK


def trim(tokenizer: Tokenizer, whisper: WhisperForConditionalGeneration) -> Tokenizer:
    """Return the bundled model's tokenizer; trims the weights to it, in place."""
    trimmed = trim_tokenizer(with_all_merges(with_cantonese(tokenizer, whisper)), _kept)
    trim_weights(whisper, trimmed.kept)
    return trimmed.tokenizer


def ctc_tokens(tokenizer: Tokenizer, sources: Sources) -> list[int]:
    """Return the tokens that a CTC head needs: those that occur in the training texts."""
    rng = random.Random(0)
    lines = [written(turn.pieces) for recording in conversations() for turn in recording]
    lines += [normalize_spoken(line) for line in corpus_sentences()]
    lines += [normalize_spoken(sources.texts.draw(rng, "service").text) for _ in range(GENERATED)]
    lines += [normalize_spoken(text) for _path, text in sources.english]
    return sorted({token for line in lines for token in tokenizer.encode(line, add_special_tokens=False).ids})
