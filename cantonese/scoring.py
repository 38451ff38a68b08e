"""The form in which error rates are counted: what two people could not have heard differently, folded."""

from __future__ import annotations

import unicodedata

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
