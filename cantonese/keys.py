"""The key form of a text: what two spellings of the same words have in common, for search.

Matching is done in *simplified* keys: that direction is many-to-one for single characters, so it needs no
context and no exceptions (the other one does: OpenCC's s2hk turns Cantonese 郁 into 鬱).
"""

from __future__ import annotations

import re
import unicodedata

from cantonese.characters import HAN, fold_variants, to_simplified_char

# Characters that mean the same in a query, beyond the spelling variants of one word.
_SAME_IN_QUERIES = str.maketrans("㗎囉瞓妳您祢嘢咩着喺係佔她牠它", "架啰训你你你野乜著系系占他他他")
_PIECE = re.compile(rf"{HAN}+|[a-z][a-z0-9]*(?:['’][a-z]+)?|\d+(?:[.,:]\d+)*")


def key_form(text: str) -> str:
    """Return ``text`` folded for matching: width, case, script and spelling variants.

    Characters correspond one to one with those of the NFKC form of ``text``.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    if text.isascii():
        return text
    folded = fold_variants(text).translate(_SAME_IN_QUERIES)
    return "".join(to_simplified_char(char) if ord(char) > 0x2E7F else char for char in folded)


def placed_pieces(key: str) -> list[tuple[int, str]]:
    """Return the same as :func:`pieces`, with where each begins."""
    return [(match.start(), match.group()) for match in _PIECE.finditer(key)]


def pieces(key: str) -> list[str]:
    """Return the runs of Chinese characters, English words and figures of a key form, in order."""
    return _PIECE.findall(key)
