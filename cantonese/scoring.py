"""The form in which error rates are counted: what two people could not have heard differently, folded."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from cantonese.characters import fold_variants, is_han, to_traditional
from cantonese.reading import reading_form

# Spellings of the same sound and meaning; a reference may have either.
_SAME = str.maketrans("呀嘛著妳尐嚹咯祗佔誒", "啊嗎着你啲喇囉只占欸")


def scoring_form(text: str) -> str:
    """Return ``text`` for counting errors: figures, lower case, letters and digits only.

    Works on verbatim and on reading form alike, so that 一萬二千蚊 and $12,000 are the same.
    """
    text = fold_variants(to_traditional(unicodedata.normalize("NFKC", text)))
    text = reading_form(text.replace(", ", "，"))
    text = text.lower().translate(_SAME)
    return "".join(char for char in text if is_han(char) or char.isalnum())


def character_error_rate(said: Sequence[str], written: Sequence[str], *, capped: bool = False) -> float:
    """Return edits over characters of what was said, over all texts, in scoring form.

    Args:
        said: what was said.
        written: what was written instead.
        capped: no text counts for more errors than it has characters: a few loops must not hide the rest.
    """
    pairs = [(scoring_form(a), scoring_form(b)) for a, b in zip(said, written, strict=True)]
    errors = [(Levenshtein.distance(a, b), len(a)) for a, b in pairs]
    return sum(min(e, n) if capped else e for e, n in errors) / max(1, sum(n for _e, n in errors))
