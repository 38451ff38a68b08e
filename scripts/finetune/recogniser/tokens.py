"""Transcripts as decoder sequences, in Whisper's layout (Radford et al. 2022, section 2.3)."""

from __future__ import annotations

import json
from typing import Any

from tokenizers import Tokenizer

from scripts.finetune.common.errors import FinetuneError

TIMESTAMP_STEP_S = 0.02
MAX_TARGET = 448


def with_all_merges(tokenizer: Tokenizer) -> Tokenizer:
    """Return a byte-level BPE whose tokens can all be made.

    Published conversions of Whisper's tokenizer lack its first merge, of a space and a t: they cut " the"
    into two tokens, where the model itself writes one.
    """
    data: dict[str, Any] = json.loads(tokenizer.to_str())
    model = data["model"]
    if model.get("type") != "BPE" or "Ġt" not in model["vocab"] or ["Ġ", "t"] in model["merges"]:
        return tokenizer
    model["merges"] = [["Ġ", "t"], *model["merges"]]
    return Tokenizer.from_str(json.dumps(data))


class TokenLayout:
    """Special tokens of one tokenizer.

    Args:
        tokenizer: of a Whisper.
        language: Whisper code; ``yue`` becomes ``zh`` where the tokenizer is older than yue.

    Raises:
        FinetuneError: the tokenizer lacks a token that every Whisper has, or the language.
    """

    def __init__(self, tokenizer: Tokenizer, language: str) -> None:
        self.tokenizer = tokenizer
        if language == "yue" and tokenizer.token_to_id("<|yue|>") is None:
            language = "zh"
        self.language = language
        self.start = [self._id(f"<|{name}|>") for name in ("startoftranscript", language, "transcribe")]
        self.end = self._id("<|endoftext|>")
        self.no_timestamps = self._id("<|notimestamps|>")
        self._previous = self._id("<|startofprev|>")
        self._zero = tokenizer.token_to_id("<|0.00|>")

    def _id(self, token: str) -> int:
        index = self.tokenizer.token_to_id(token)
        if index is None:
            raise FinetuneError(f"the tokenizer has no {token}; it is not Whisper's, or lacks the language")
        return int(index)

    @property
    def text_tokens(self) -> int:
        """How many vocabulary entries are text: those before ``<|endoftext|>``."""
        return self.end

    def encode(self, text: str) -> list[int]:
        """Return text tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: list[int]) -> str:
        """Return the text of ``tokens``, special ones and timestamps left out."""
        text = self.tokenizer.decode([t for t in tokens if t < self.end])
        return str(text).replace("\ufffd", "")

    def sequence(
        self, text: str, *, prompt: str = "", times: tuple[float, float] | None = None
    ) -> tuple[list[int], int]:
        """Return the decoder sequence and the index of its first target.

        Args:
            text: verbatim form.
            prompt: hotwords in front of it.
            times: start and end of speech in s, to be written around the text; None writes none.
        """
        before = [self._previous, *self.encode(prompt)[:64]] if prompt else []
        body = self.encode(text)[: MAX_TARGET - len(before) - 8]
        if times is None or self._zero is None:
            head = [*self.start, self.no_timestamps]
            return [*before, *head, *body, self.end], len(before) + len(head)
        first, last = (self._zero + round(t / TIMESTAMP_STEP_S) for t in times)
        return [*before, *self.start, first, *body, last, self.end], len(before) + len(self.start)
