"""The verbatim form: what was said, as recognisers are trained to write it.

Chinese characters without spaces, every Latin word preceded by one space, only the marks ，。？！, no
figures (those are read out as characters).
"""

from __future__ import annotations

import re
import unicodedata

from cantonese.characters import fold_variants, is_han, to_traditional

_MARKS = str.maketrans(
    {",": "，", ";": "，", "；": "，", "、": "，", ":": "，", "：": "，", ".": "。", "…": "。", "?": "？",
     "!": "！", "~": "。"}
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z][A-Za-z'\-]*")
MARKS = "，。？！"


def normalize_spoken(text: str) -> str:
    """Return ``text`` in verbatim form.

    Args:
        text: any transcript line.

    Returns:
        Traditional characters, one spelling per Cantonese word, ``" word"`` for Latin words.
        Characters that are neither Chinese, Latin, digits nor a mark are dropped.
    """
    text = unicodedata.normalize("NFKC", text).translate(_MARKS)
    text = fold_variants(to_traditional(text))
    out: list[str] = []
    position = 0
    while position < len(text):
        word = _WORD.match(text, position)
        if word:
            out.append(" " + word.group().rstrip("-'"))
            position = word.end()
            continue
        char = text[position]
        if is_han(char) or char.isdigit() or (char in MARKS and out and out[-1] not in MARKS):
            out.append(char)
        position += 1
    return "".join(out)


def without_marks(text: str) -> str:
    """Return verbatim ``text`` without its punctuation marks."""
    return "".join(char for char in text if char not in MARKS)


def syllables(text: str) -> float:
    """Return about how many syllables verbatim ``text`` has.

    One for each Chinese character or digit; for a Latin word one for three letters, and at least one.
    """
    words = _WORD.findall(text)
    others = sum(char.isalnum() for char in _WORD.sub("", text))
    return others + sum(max(1.0, len(word) / 3) for word in words)
