"""Names that no title tells: by the person beside them, the number beside them, or a call by name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cantonese.personal.addresses import LATIN_AREAS
from cantonese.personal.categories import Category, PersonalSpan
from cantonese.personal.lists import any_of, table
from cantonese.personal.names import (
    ANY_SURNAME,
    GIVEN,
    NO_ENGLISH_NAME,
    NO_NAME,
    NO_PART_OF_FULL_NAME,
    SURNAME,
    TITLE_CASE,
    Stretch,
    is_like_full_name,
    without_title,
)

_RELATIONS = table("names", "chinese")["relations"]
_MY = table("names", "english")["relations"]
_HAN = "\u4e00-\u9fff"
_END = rf"(?=[，。、？！,.?!\s{_HAN}]|$)"
_LATIN = rf"{TITLE_CASE}(?:\s{TITLE_CASE}){{0,3}}"
_RELATED = re.compile(
    rf"(?:{any_of(_RELATIONS)}|[你我佢]係|就係|係咪|佢叫)[，\s]?(?P<one>{_LATIN}){_END}"
    rf"|[Mm]y\s{any_of(_MY)}(?:'s)?,?\s(?P<mine>{_LATIN})(?![A-Za-z])"
    rf"|[係佢][，\s]?(?P<two>{TITLE_CASE}(?:\s{TITLE_CASE}){{1,3}}){_END}"
    rf"|{any_of(_RELATIONS)}[，\s]?(?P<han>{SURNAME}{GIVEN}{{1,2}})(?=[，。；？\s開嚟會想要話嗰嘅去係呀0-9一二三四五六七八九十]|$)"
)
_RELATED_WHOLE = re.compile(rf"{any_of(_RELATIONS)}(?:係|叫)?(?P<name>{SURNAME}{GIVEN}{{2}})")
"""The same where no mark tells where the name ends; see :func:`is_like_full_name`."""
_SIR = re.compile(rf"(?:^|(?<=[，\s係咪]))(?P<name>{SURNAME})(?=先[，。？\s]|先$)")
_CALLED = re.compile(r",\s(?P<name>[A-Z][a-z]{2,})(?=[.?!]|$)")
"""Somebody who is called by name at the end of an English sentence: You're verified, Oliver."""
_PAIR = re.compile(rf"(?P<a>{SURNAME}{GIVEN}{{2}})同(?P<b>{SURNAME}{GIVEN}{{2}})(?=[，。？！\s]|$)")
_SHOWN = re.compile(rf"[頭旁邊水]嗰個(?P<name>[{_HAN}])(?=[，。\s]|$)")
_NAME = rf"(?P<name>{ANY_SURNAME}{GIVEN}{{1,3}})"
_BEFORE = re.compile(rf"(?:^|[，；。、\s]|{any_of(_RELATIONS)}){_NAME}[，、\s]*$")
_BEHIND = re.compile(rf"[，、\s]+{_NAME}(?=[，。；？\s]|$)")
_IDENTIFYING = frozenset(
    {
        Category.HKID,
        Category.HOME_RETURN_PERMIT,
        Category.MAINLAND_ID,
        Category.PASSPORT,
        Category.PHONE,
        Category.POLICY_NUMBER,
        Category.BANK_ACCOUNT,
    }
)
_NO_NAME = re.compile("[卡單機號碼證部件戶口話咭簿車位]|有效|到期|身份|護照")
_PLACES = re.compile(LATIN_AREAS, re.IGNORECASE)
LONGEST_BEFORE = 16
"""Characters before a number in which its owner's name may stand."""


def related(text: str) -> Iterator[Stretch]:
    """Yield names behind who somebody is to the speaker, two that are joined, and somebody who is called."""
    for found in _RELATED.finditer(text):
        group = next(group for group in ("one", "two", "han", "mine") if found[group])
        if group == "han":
            whole = without_title(found["han"]) == found["han"]
            if whole and not NO_PART_OF_FULL_NAME.search(found["han"]):
                yield found.span("han")
        elif not _is_no_name(found[group]):
            yield found.span(group)
    for found in _RELATED_WHOLE.finditer(text):
        if is_like_full_name(found["name"]):
            yield found.span("name")
    for found in _PAIR.finditer(text):
        if not any(NO_PART_OF_FULL_NAME.search(found[group]) for group in "ab"):
            yield from (found.span("a"), found.span("b"))
    yield from (found.span("name") for pattern in (_SHOWN, _SIR) for found in pattern.finditer(text))
    yield from (found.span("name") for found in _CALLED.finditer(text) if not _is_no_name(found["name"]))


def owners(text: str, spans: Sequence[PersonalSpan]) -> Iterator[Stretch]:
    """Yield names right before or behind somebody's number: 譚朗，H22095587.

    Args:
        text: of the turn.
        spans: what was found in it.
    """
    for span in spans:
        if span.category not in _IDENTIFYING:
            continue
        first = max(0, span.start - LONGEST_BEFORE)
        for found in (_BEFORE.search(text[: span.start], first), _BEHIND.match(text, span.end)):
            if found and found["name"] not in NO_NAME and not _NO_NAME.search(found["name"]):
                yield found.span("name")


def _is_no_name(said: str) -> bool:
    words = said.split()
    return any(word in NO_ENGLISH_NAME for word in words) or _PLACES.fullmatch(said) is not None
