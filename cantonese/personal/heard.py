"""Words that announce a number, known by how they sound: recognisers write 安全馬 for 安全碼. Pure.

Only words of three syllables or more are known like this: shorter ones have too many homophones that people
do say (卡號 sounds like 卡好).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cantonese.characters import is_han
from cantonese.jyutping import char_reading, loose, word_reading
from cantonese.keys import key_form
from cantonese.personal.categories import Category
from cantonese.personal.lists import any_of

LEAST_SYLLABLES = 3
_AMBIGUOUS = frozenset({"卡號碼", "帳號碼"})
"""Sound like the beginning of 張卡好麻煩 and 嗰張好麻煩."""
_FIRST_SIGN = 0xF0000
"""First code point of the plane for private use; each syllable gets a sign there, so that texts stay 1:1."""


class _Signs(dict[int, str]):
    """The sign of each character's syllable, for :meth:`str.translate`; a character without one stays."""

    def __init__(self) -> None:
        super().__init__()
        self._of_syllable: dict[str, str] = {}

    def __missing__(self, code: int) -> str:
        char = chr(code)
        syllable = char_reading(char) if is_han(char) else ""
        sign = self[code] = self.of(syllable) if syllable else char
        return sign

    def of(self, syllable: str) -> str:
        """Return the sign of a syllable, without its tone."""
        return self._of_syllable.setdefault(loose(syllable), chr(_FIRST_SIGN + len(self._of_syllable)))


class Sounds:
    """Terms by their sound, without tones and with the sounds merged that many speakers merge.

    Args:
        terms: by what they announce; only those of enough Chinese characters and nothing else are taken.
    """

    def __init__(self, terms: Mapping[Category, Sequence[str]]) -> None:
        self._signs = _Signs()
        self._meanings: dict[str, Category] = {}
        for meaning, said in terms.items():
            for term in said:
                if _is_distinct(term) and all(map(is_han, term)):
                    for sound in self._sounds_of(term):
                        self._meanings.setdefault(sound, meaning)
        self._pattern = re.compile(_by_first_sign(self._meanings))

    def find(self, text: str) -> Iterator[tuple[int, int, Category]]:
        """Yield what sounds like a term: first code point, behind the last one, what it announces."""
        for found in self._pattern.finditer(text.translate(self._signs)):
            yield found.start(), found.end(), self._meanings[found.group()]

    def _sounds_of(self, term: str) -> set[str]:
        """Return how a term sounds: as a word, and character by character as texts are read."""
        alone = term.translate(self._signs)
        word = word_reading(key_form(term))
        return {alone, "".join(map(self._signs.of, word))} if word else {alone}


def _is_distinct(term: str) -> bool:
    return len(term) >= LEAST_SYLLABLES and term not in _AMBIGUOUS


def _by_first_sign(sounds: Iterable[str]) -> str:
    """Return a pattern of any of them, the longest first; grouped, which halves the time of a search."""
    grouped: dict[str, list[str]] = {}
    for sound in sounds:
        grouped.setdefault(sound[0], []).append(sound[1:])
    return "|".join(first + any_of(rest) for first, rest in grouped.items())
