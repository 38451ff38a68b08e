"""Characters that simplified writing has made one, and what they are in Hong Kong: 系 is 係, 繫 or 系.

OpenCC knows the words of written Chinese, and only where a text has a character that is simplified beyond
doubt. ``homographs.toml`` has words of Cantonese, and those of shared characters alone (手表, 后面), which
people type in texts that otherwise look Traditional. Pure, but for reading that file once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_WORDS = Path(__file__).with_name("homographs.toml")
_SURNAMES = "于余范姜向党沈岳郁游曲朱谷涂冼洪尹仇种占"
"""Surnames that a converter takes for the simplified form of another character."""
_TITLES = "先生|小姐|太太|女士|師奶|師傅|醫生|經理|主任|生(?![意產活病日效氣])|太(?!過)"
_NAMED = re.compile(f"(?<![對至關由終屬位在導旅示模])[{_SURNAMES}](?=[\u4e00-\u9fff]{{0,2}}(?:{_TITLES}))")
_KEPT = re.compile(
    "皇后|太后|王后|影后|歌后|母后|蟻后|后海|雲遊|子丑|若干|聯系|維系|系統|系列|體系|星系|學系|茶几"
)
"""Words in which a character becomes what OpenCC makes of it, whatever stands beside them."""


def _pattern(word: str, typed: str) -> str:
    """Return a pattern for the one character of ``word`` that changes."""
    at = next(index for index, char in enumerate(word) if char in typed)
    before, after = word[:at], word[at + 1 :]
    return (f"(?<={before})" if before else "") + word[at] + (f"(?={after})" if after else "")


@lru_cache(maxsize=1)
def _table() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = tomllib.loads(_WORDS.read_text("utf-8"))["homograph"]
    return rows


def _rules() -> Iterator[tuple[re.Pattern[str], str]]:
    for row in _table():
        patterns = (_pattern(word, row["typed"]) for word in row["words"].split())
        yield re.compile("|".join(patterns)), row["becomes"]


_RULES = tuple(_rules())
SHARED = frozenset("".join(row["typed"] for row in _table()) + _SURNAMES)
"""Characters that are looked at."""


def exceptions(text: str) -> dict[int, str]:
    """Return what stands at which position in Hong Kong, where OpenCC would not write it.

    Args:
        text: Traditional but for the characters in :data:`SHARED`, which stand as they were written.

    Returns:
        characters by their index in ``text``; a surname stands for itself.
    """
    if SHARED.isdisjoint(text):
        return {}
    found = {match.start(): target for pattern, target in _RULES for match in pattern.finditer(text)}
    for match in _KEPT.finditer(text):
        for index in range(*match.span()):
            found.pop(index, None)
    return found | {match.start(): match.group() for match in _NAMED.finditer(text)}
