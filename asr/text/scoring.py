"""The form in which error rates are counted: what two people could not have heard differently, folded."""

from __future__ import annotations

import unicodedata

from asr.text.characters import fold_variants, is_han, to_traditional
from asr.text.reading import reading_form

# Spellings of the same sound and meaning; a reference may have either.
_SAME = str.maketrans(
    {"呀": "啊", "嘛": "嗎", "著": "着", "妳": "你", "尐": "啲", "嚹": "喇", "咯": "囉", "祗": "只", "佔": "占", "誒": "欸"}
)  # fmt: skip


def scoring_form(text: str) -> str:
    """Return ``text`` for counting errors: figures, lower case, letters and digits only.

    Works on verbatim and on reading form alike, so that 一萬二千蚊 and $12,000 are the same.
    """
    text = fold_variants(to_traditional(unicodedata.normalize("NFKC", text)))
    text = reading_form(text.replace(", ", "，"))
    text = text.lower().translate(_SAME)
    return "".join(char for char in text if is_han(char) or char.isalnum())
