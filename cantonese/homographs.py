"""Characters that simplified writing has made one, and what they are in Hong Kong: 系 is 係, 繫 or 系.

OpenCC knows the words of written Chinese, and only where a text has a character that is simplified beyond
doubt. ``homographs.toml`` has words of Cantonese, and those of shared characters alone (手表, 后面), which
people type in texts that otherwise look Traditional. Pure, but for reading that file once.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path

_FILE = Path(__file__).with_name("homographs.toml")
_SURNAMES = "于余范姜向党沈岳郁游曲朱谷涂冼洪尹仇种占"
"""Surnames that a converter takes for the simplified form of another character."""
_TITLES = "先生|小姐|太太|女士|師奶|師傅|醫生|經理|主任|生(?![意產活病日效氣])|太(?!過)"
_NAMED = re.compile(f"(?<![對至關由終屬位在導旅示模])[{_SURNAMES}](?=[\u4e00-\u9fff]{{0,2}}(?:{_TITLES}))")
_KEPT = re.compile(
    "皇后|太后|王后|影后|歌后|母后|蟻后|后海|雲遊|子丑|若干|聯系|維系|系統|系列|體系|星系|學系|茶几"
)
"""Words in which a character becomes what OpenCC makes of it, whatever stands beside them."""


_Word = tuple[str, str, str]
"""What stands before a character, what behind it, and what it becomes."""


def _read() -> dict[str, list[_Word]]:
    """Return the words by the character that changes in them, in the order in which they are tried."""
    words: dict[str, list[_Word]] = defaultdict(list)
    for row in tomllib.loads(_FILE.read_text("utf-8"))["homograph"]:
        for word in row["words"].split():
            before, after = word.split(row["typed"], 1)
            words[row["typed"]].insert(0, (before, after, row["becomes"]))
    return dict(words)


_WORDS = _read()
SHARED = frozenset(_WORDS) | frozenset(_SURNAMES)
"""Characters that are looked at."""


def _becomes(text: str, index: int, char: str) -> str | None:
    for before, after, becomes in _WORDS.get(char, ()):
        if text.startswith(after, index + 1) and text.endswith(before, 0, index):
            return becomes
    return None


def exceptions(text: str) -> dict[int, str]:
    """Return what stands at which position in Hong Kong, where OpenCC would not write it.

    Args:
        text: Traditional but for the characters in :data:`SHARED`, which stand as they were written.

    Returns:
        characters by their index in ``text``; a surname stands for itself.
    """
    if SHARED.isdisjoint(text):
        return {}
    found = {index: becomes for index, char in enumerate(text) if (becomes := _becomes(text, index, char))}
    for match in _KEPT.finditer(text):
        for index in range(*match.span()):
            found.pop(index, None)
    return found | {match.start(): match.group() for match in _NAMED.finditer(text)}
