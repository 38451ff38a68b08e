"""A Whisper directory's tokens: prompts, decoding, and words from tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from cantonese.characters import is_han
from models import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGroup:
    """Consecutive tokens that together are whole characters: tokens ``first`` to ``last`` - 1."""

    text: str
    first: int
    last: int


class Vocabulary:
    """Reads ``tokenizer.json``; stateless, thread-safe.

    Args:
        path: of the file.
        hotword_tokens: longest hotword prompt; what does not fit is left out.

    Raises:
        ModelError: the file lacks a token that every Whisper has.
    """

    def __init__(self, path: Path, hotword_tokens: int) -> None:
        self._hotword_tokens = hotword_tokens
        self._hotword_prompt = lru_cache(maxsize=256)(self._encode_hotwords)
        self._tokenizer = Tokenizer.from_file(str(path))
        self._end = self._id("<|endoftext|>")
        self._start = self._id("<|startoftranscript|>")
        self._transcribe = self._id("<|transcribe|>")
        self._no_timestamps = self._id("<|notimestamps|>")
        self._previous = self._id("<|startofprev|>")

    def _id(self, token: str) -> int:
        index = self._tokenizer.token_to_id(token)
        if index is None:
            raise ModelError(f"tokenizer.json has no {token}; copy it from the model that was converted")
        return int(index)

    def has_language(self, code: str) -> bool:
        """Tell whether the model has a token for the Whisper language ``code``."""
        return self._tokenizer.token_to_id(f"<|{code}|>") is not None

    def start_sequence(self, language: str) -> list[int]:
        """Return the tokens that every transcript starts with."""
        return [self._start, self._id(f"<|{language}|>"), self._transcribe, self._no_timestamps]

    def prompt(self, language: str, hotwords: tuple[str, ...]) -> list[int]:
        """Return the decoder prompt: hotwords as if said before, then the start sequence."""
        return [*self._hotword_prompt(hotwords), *self.start_sequence(language)]

    def _encode_hotwords(self, hotwords: tuple[str, ...]) -> tuple[int, ...]:
        """Return hotwords as previous text; kept for each list, since the scheduler asks often."""
        words: list[int] = []
        for word in hotwords:
            tokens = self._tokenizer.encode(("，" if words else "") + word.strip()).ids
            if len(words) + len(tokens) > self._hotword_tokens:
                break
            words += tokens
        return (self._previous, *words) if words else ()

    def encode(self, text: str) -> list[int]:
        """Return the tokens of ``text``, without special ones."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text_tokens(self, tokens: Sequence[int]) -> list[int]:
        """Return ``tokens`` without special ones."""
        return [token for token in tokens if token < self._end]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens``; broken characters at the end are dropped."""
        return str(self._tokenizer.decode(list(tokens))).replace("\ufffd", "")

    def groups(self, tokens: Sequence[int]) -> list[TokenGroup]:
        """Cut text tokens into groups of whole characters; a Latin word is one group."""
        groups: list[TokenGroup] = []
        first = 0
        for last in range(1, len(tokens) + 1):
            text = self._tokenizer.decode(list(tokens[first:last]))
            if "\ufffd" in text:
                continue
            if groups and _continues_word(groups[-1].text, text):
                previous = groups.pop()
                text, first = previous.text + text, previous.first
            groups.append(TokenGroup(text=text, first=first, last=last))
            first = last
        return groups


def _continues_word(before: str, text: str) -> bool:
    """Tell whether ``text`` is the rest of the Latin word at the end of ``before``."""
    return (
        bool(text)
        and text[0].isalnum()
        and text[0].isascii()
        and before[-1:].isascii()
        and not any(map(is_han, before))
    )
