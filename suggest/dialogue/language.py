"""Which language the reply should be in: the customer's, with patience. Pure."""

from __future__ import annotations

import re

from cantonese.characters import is_han
from suggest.base import CHINESE, ENGLISH, Language

_TO_ENGLISH = re.compile(
    r"speak english|in english|english please|don'?t (?:speak|understand) (?:cantonese|chinese)|no cantonese"
    r"|(?:可唔可以|可以|想|請|用|識|唔識聽中文).{0,4}(?:講|用)英文|講英文",
    re.IGNORECASE,
)
_TO_CHINESE = re.compile(
    r"speak (?:cantonese|chinese)|in (?:cantonese|chinese)"
    r"|講(?:返)?(?:中文|廣東話)|唔識(?:聽|講)?英文|用返?中文",
    re.IGNORECASE,
)
_NO_ENGLISH = re.compile(
    r"(?:唔識|唔明|唔會|唔好|唔想|唔係好識|聽唔明|識少少)(?:聽|講|用)?英文"
    r"|(?:don'?t|do not|can'?t|cannot|not) (?:really )?(?:speak|understand) (?:any )?english",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’]+")
_NEUTRAL = frozenset(
    (
        "ok",
        "okay",
        "yes",
        "no",
        "thanks",
        "thank",
        "you",
        "bye",
        "byebye",
        "hello",
        "hi",
        "sorry",
        "please",
        "sure",
    )
)
TO_ENGLISH, TO_CHINESE = 0.6, 0.35
"""Thresholds of the smoothed English share: two, so that no mixed sentence flips it (own choice)."""
WHOLE_SENTENCE = 4
"""English words without a Chinese character that settle it at once."""
MEMORY = 0.5


def _words(text: str) -> int:
    """Return how many English words there are, without those that Cantonese speakers use all day."""
    return sum(word.lower() not in _NEUTRAL for word in _WORD.findall(text))


def english_share(text: str) -> float | None:
    """Return the share of English in a text: words against words and Chinese characters (two to a word)."""
    words, han = _words(text), sum(map(is_han, text))
    return words / (words + han / 2) if words + han else None


def _wish(text: str) -> Language | None:
    """Return the language that somebody asks for; the last request of a sentence counts."""
    asked = _NO_ENGLISH.sub("講中文", text)
    last = {
        language: max((match.end() for match in pattern.finditer(asked)), default=0)
        for language, pattern in ((ENGLISH, _TO_ENGLISH), (CHINESE, _TO_CHINESE))
    }
    if not any(last.values()):
        return None
    return ENGLISH if last[ENGLISH] > last[CHINESE] else CHINESE


class LanguageFollower:
    """Follows one call.

    Args:
        start: language until the customer has spoken.
    """

    def __init__(self, start: Language = CHINESE) -> None:
        self._share = 1.0 if start == ENGLISH else 0.0
        self._language: Language = start
        self._locked: Language | None = None

    @property
    def language(self) -> Language:
        """What to reply in."""
        return self._locked or self._language

    @property
    def locked(self) -> bool:
        """Whether the agent has chosen."""
        return self._locked is not None

    def lock(self, language: Language | None) -> None:
        """Stay with a language, or follow the customer again."""
        self._locked = language

    def hear(self, text: str) -> None:
        """Take what the customer said, whole sentences only."""
        share = english_share(text)
        if share is None:
            return
        wish = _wish(text)
        if wish == CHINESE:
            self._share, self._language = 0.0, CHINESE
            return
        if wish == ENGLISH or (share == 1.0 and _words(text) >= WHOLE_SENTENCE):
            self._share, self._language = 1.0, ENGLISH
            return
        short = len(text) < 4 or (share == 1.0 and _words(text) < 2)
        weight = (1 - MEMORY) * (0.4 if short else 1.0)  # 「係呀」 says little
        self._share += weight * (share - self._share)
        if self._language == CHINESE and self._share >= TO_ENGLISH:
            self._language = ENGLISH
        elif self._language == ENGLISH and self._share <= TO_CHINESE:
            self._language = CHINESE
