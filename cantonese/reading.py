"""The form for people: figures, English with spaces, fullwidth punctuation."""

from __future__ import annotations

import re

from cantonese.characters import fold_variants, is_han
from cantonese.figures import with_figures
from cantonese.spoken import MARKS

_LETTERS = re.compile(r"(?<![A-Za-z])((?: [A-Z])+)(?= ?\d| |[^A-Za-z ]|$)")


def reading_form(spoken: str) -> str:
    """Return verbatim text as people want to read it.

    Args:
        spoken: verbatim form, see :mod:`cantonese.spoken`.

    Returns:
        Figures for spoken numbers, letters that were spelled out joined, one space around Latin words.
    """
    text = with_figures(fold_variants(spoken))
    text = _LETTERS.sub(lambda match: " " + match.group(1).replace(" ", ""), text)
    text = re.sub(r"(?<=[A-Z]) (?=\d)", "", text)
    out = ""
    for char in text.strip():
        if out and char not in MARKS and out[-1] not in " $" + MARKS and _needs_space(out[-1], char):
            out += " "
        out += char
    return re.sub(r" +", " ", out).lstrip(MARKS).strip()


def _needs_space(left: str, right: str) -> bool:
    """Tell whether Chinese and Latin letters meet; figures stand close."""
    return (is_han(left) and right.isascii() and right.isalpha()) or (
        left.isascii() and left.isalpha() and is_han(right)
    )
