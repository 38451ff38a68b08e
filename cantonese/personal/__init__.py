"""Personal data of Hong Kong in speech and text: found, named and masked. Pure.

:class:`DialogueRedactor` follows a call, :func:`personal_spans` looks at one text alone. Three things must
not be taken for each other: :func:`mask_personal_data` replaces what is found, :func:`hide_digits` hides
digits and nothing else, :func:`personal_data_kinds` changes nothing and tells what is there.
"""

from __future__ import annotations

import re

from cantonese.personal.categories import LABELS, SECRETS, Category, PersonalSpan
from cantonese.personal.checks import has_luhn_check_digit
from cantonese.personal.dialogue import Changed, DialogueRedactor, Found
from cantonese.personal.masking import Style, masked, replacement, without_masks
from cantonese.personal.shapes import NUMBERS
from cantonese.personal.texts import channel_of, dialogue_spans
from cantonese.personal.words import prepare

__all__ = [
    "LABELS",
    "NUMBERS",
    "SECRETS",
    "Category",
    "Changed",
    "DialogueRedactor",
    "Found",
    "PersonalSpan",
    "Style",
    "channel_of",
    "dialogue_spans",
    "has_luhn_check_digit",
    "hide_digits",
    "mask_personal_data",
    "masked",
    "personal_data_kinds",
    "personal_spans",
    "prepare",
    "replacement",
    "without_masks",
]
_ANY_DIGIT = re.compile(r"[0-9０-９]")


def personal_spans(text: str) -> list[PersonalSpan]:
    """Return the personal data of one text, without what was said around it."""
    return list(dialogue_spans([("", text)])[0])


def mask_personal_data(text: str, style: Style = Style.CATEGORY) -> str:
    """Return one text with its personal data replaced."""
    return masked(text, personal_spans(text), style)


def personal_data_kinds(text: str) -> list[str]:
    """Return the kinds of personal data in a text, each once, in the order of :class:`Category`."""
    found = {span.category for span in personal_spans(text)}
    return [category.value for category in Category if category in found]


def hide_digits(text: str) -> str:
    """Return ``text`` with every digit replaced by ``*``; names and spoken numerals stay."""
    return _ANY_DIGIT.sub("*", text)
