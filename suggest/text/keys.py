"""The key form of a text: what two spellings of the same words have in common.

Matching is done in *simplified* keys: that direction is many-to-one for single characters, so it needs no
context and no exceptions (the other one does: OpenCC's s2hk turns Cantonese 郁 into 鬱).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import opencc

# Spellings of the same Cantonese word, and characters that mean the same in a query.
_SAME = str.maketrans(
    "噉畀揾㗎嘞囉瞓裡綫衹臺妳您祢嘢咩着喺係佔滙她牠它",
    "咁俾搵架喇啰训里线只台你你你野乜著系系占汇他他他",
)
_HAN = re.compile(r"[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_PIECE = re.compile(
    r"[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[a-z][a-z0-9]*(?:['’][a-z]+)?|\d+(?:[.,:]\d+)*"
)


@lru_cache(maxsize=1)
def _converters() -> tuple[opencc.OpenCC, opencc.OpenCC]:
    return opencc.OpenCC("t2s"), opencc.OpenCC("s2hk")


@lru_cache(maxsize=32_768)
def _simplified(char: str) -> str:
    converted: str = _converters()[0].convert(char)
    return converted if len(converted) == 1 else char


def is_han(char: str) -> bool:
    """Tell whether ``char`` is a Chinese character."""
    return _HAN.fullmatch(char) is not None


def key_form(text: str) -> str:
    """Return ``text`` folded for matching: width, case, script and spelling variants.

    Characters correspond one to one with those of the NFKC form of ``text``.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    if len(text) > 0 and not text.isascii():
        text = "".join(_simplified(char) if ord(char) > 0x2E7F else char for char in text.translate(_SAME))
    return text


def placed_pieces(key: str) -> list[tuple[int, str]]:
    """Return the same as :func:`pieces`, with where each begins."""
    return [(match.start(), match.group()) for match in _PIECE.finditer(key)]


def pieces(key: str) -> list[str]:
    """Return the runs of Chinese characters, English words and figures of a key form, in order."""
    return _PIECE.findall(key)


def hong_kong_traditional(text: str) -> str:
    """Return a text in Simplified characters in those of Hong Kong, any other text as it is.

    Simplified is what has characters that only that script has, and none that only Traditional has; so 郁 and
    晒, which are somebody's simplified forms, do not make a Cantonese text Simplified.
    """
    to_traditional = _converters()[1]
    converted: str = to_traditional.convert(text)
    if converted == text or any(_simplified(char) != char for char in text if ord(char) > 0x2E7F):
        return text
    return converted
