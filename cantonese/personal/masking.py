"""What is shown in the place of personal data. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from cantonese.numerals import DIGITS_ALOUD
from cantonese.personal.categories import LABELS, SECRETS, Category, PersonalSpan


class Style(StrEnum):
    """How a value is replaced."""

    CATEGORY = "category"
    STARS = "stars"
    LAST_FOUR = "last_four"


_WITH_LAST_FOUR = frozenset(
    {
        Category.CARD,
        Category.BANK_ACCOUNT,
        Category.PHONE,
        Category.POLICY_NUMBER,
        Category.ACCOUNT_NUMBER,
        Category.OCTOPUS,
    }
)
"""Categories of which the last four digits may stay (PCI DSS 4.0.1, 3.4.1, for cards)."""
_LEAST_HIDDEN = 4
STARS = "＊＊＊"


def replacement(said: str, category: Category, style: Style = Style.CATEGORY) -> str:
    """Return what is shown for a value.

    Args:
        said: the value.
        category: what it is.
        style: how; secrets show nothing of themselves in any.
    """
    if category in SECRETS or style is Style.CATEGORY:
        return f"〔{LABELS[category]}〕"
    if style is Style.STARS:
        return STARS
    digits = "".join(str(DIGITS_ALOUD[char]) if char in DIGITS_ALOUD else char for char in said)
    digits = re.sub("[^0-9]", "", digits)
    if category in _WITH_LAST_FOUR and len(digits) >= 4 + _LEAST_HIDDEN:
        return f"〔{LABELS[category]}…{digits[-4:]}〕"
    return f"〔{LABELS[category]}〕"


_SHOWN = re.compile("〔[^〔〕]{1,16}〕|＊＊＊")


def without_masks(text: str) -> str:
    """Return ``text`` without what stands in the place of personal data: a search must not look for it."""
    return _SHOWN.sub(" ", text)


def masked(text: str, spans: Sequence[PersonalSpan], style: Style = Style.CATEGORY) -> str:
    """Return ``text`` with its personal data replaced.

    Args:
        text: as it was read.
        spans: in order, not overlapping.
        style: how.
    """
    out, position = "", 0
    for span in spans:
        out += text[position : span.start] + replacement(text[span.start : span.end], span.category, style)
        position = span.end
    return out + text[position:]
