"""What a drafting model may not do: tell anything that its sources do not. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cantonese.characters import is_han
from cantonese.keys import key_form, pieces
from suggest.base import CHINESE, Article, Language
from suggest.dialogue.quantities import quantities
from suggest.text.english import stem

_SENTENCE = re.compile(r"[^。！？!?\n]*?(?:[。！？!?\n]+|\.(?=\s|$)|$)(?:\s*\[\d+\])*")
_CITATION = re.compile(r"\s*\[(\d+)\]")
_ADDRESS = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s，。）)]*)?", re.IGNORECASE
)
_PROMISE = re.compile(
    "免費|豁免|全數|全額|保證|賠償|補償|升級|贈送|優先|\\d+折|[一二三四五六七八九]折|永久|無限|即時退款|"
    "\\bfree\\b|waiv|guarantee|compensat|upgrade|unlimited|full refund|full amount|bonus|gift|discount"
)
LEAST_SHARED = 0.3
"""Least share of a sentence that must be in the source that it cites.

Honest sentences of the tests have 0.71 to 1, an invented one 0.08.
"""
_COURTESY = re.compile(
    r"^(?:您好|你好|多謝您?的?(?:查詢|來電|耐心)?|謝謝您?|不好意思|抱歉|很抱歉|明白|"
    r"hello|hi|thank you|thanks|sorry|"
    r"i understand|certainly|sure|of course)[，,!！。. ]*$",
    re.IGNORECASE,
)
LONGEST_DRAFT = 800
NO_ANSWER = "NO_ANSWER"


class UngroundedError(ValueError):
    """A draft that may not be shown; the message says why, without its text."""


def sentences(text: str) -> list[str]:
    """Return the sentences of a draft, each with the citations behind it."""
    return [found for match in _SENTENCE.finditer(text) if (found := match.group().strip())]


def check_sentence(sentence: str, sources: Sequence[Article], known: str) -> set[int]:
    """Return the numbers of the sources that a sentence cites.

    Args:
        sentence: with citations such as [1].
        sources: articles by number, from 1.
        known: what may be repeated: what the agent has said, and numbers of orders and cases.

    Raises:
        UngroundedError: it cites nothing, or another source, or has a figure or address that is not in there.
    """
    cited = {int(number) for number in _CITATION.findall(sentence)}
    bare = _CITATION.sub("", sentence).strip()
    if not bare or _COURTESY.match(bare):
        return cited & set(range(1, len(sources) + 1))
    if not cited:
        raise UngroundedError("a sentence cites no source")
    if not cited <= set(range(1, len(sources) + 1)):
        raise UngroundedError("a sentence cites a source that it was not given")
    ground = " ".join(_whole(sources[number - 1]) for number in cited)
    if not quantities(bare) <= quantities(ground) | quantities(known):
        raise UngroundedError("a figure is not in the source that is cited")
    if any(address.lower() not in ground.lower() for address in _ADDRESS.findall(bare)):
        raise UngroundedError("an address is not in the source that is cited")
    if any(promise not in ground.lower() for promise in _PROMISE.findall(bare.lower())):
        raise UngroundedError("a promise is not in the source that is cited")
    if _shared(bare, ground) < LEAST_SHARED:
        raise UngroundedError("a sentence has little of the source that it cites")
    if "{" in bare:
        raise UngroundedError("a slot was left open")
    return cited


def _shared(sentence: str, ground: str) -> float:
    """Return the share of a sentence's pairs of characters, or English stems, that are in its source."""
    runs = pieces(key_form(sentence))
    own = {run[at : at + 2] for run in runs if is_han(run[0]) for at in range(len(run) - 1)}
    own |= {stem(run) for run in runs if len(run) > 3 and run.isascii() and run.isalpha()}
    known = pieces(key_form(ground))
    there = {run[at : at + 2] for run in known if is_han(run[0]) for at in range(len(run) - 1)}
    there |= {stem(run) for run in known if run.isascii()}
    return len(own & there) / len(own) if own else 1.0


def check_language(text: str, language: Language) -> None:
    """Raise UngroundedError if a draft is not in the wanted language."""
    han, letters = sum(map(is_han, text)), sum(char.isascii() and char.isalpha() for char in text)
    if (han * 3 < letters) if language == CHINESE else (han > letters * 0.1):
        raise UngroundedError("it is in the wrong language")


def without_citations(text: str) -> str:
    """Return a draft as it is said."""
    return re.sub(r"[ \t]+\n", "\n", _CITATION.sub("", text)).strip()


def _whole(article: Article) -> str:
    return " ".join((article.question_zh, article.answer_zh, article.question_en, article.answer_en))
