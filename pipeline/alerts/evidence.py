"""Why an alert was raised, for people: shares, kinds of words, counts. Digits and rude words are hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cantonese.personal import hide_digits
from emotion import AgitationPoint
from emotion.behaviour import Behaviour
from emotion.words import LexiconHit

_DOINGS = {
    "interruption": "打斷對方",
    "overlap": "雙方同時說話",
    "pace": "語速加快",
    "repeat": "重複提問",
    "calls": "重複來電",
}
_LONGEST = 400


def agitation_evidence(point: AgitationPoint, hits: Sequence[LexiconHit], doings: Sequence[Behaviour]) -> str:
    """Return the reason for an alert about agitation."""
    parts = (("語氣", point.voice), ("用詞", point.words), ("行為", point.behaviour))
    shares = f"激動程度 {point.value:.0%}：" + "、".join(f"{name} {share:.0%}" for name, share in parts)
    return "；".join(filter(None, [shares, words_evidence(hits), _doings(doings)]))[:_LONGEST]


def words_evidence(hits: Sequence[LexiconHit], *, every: bool = False) -> str:
    """Return the words that count against the mood, or ``every`` one, private ones by category."""
    counted = Counter(
        hide_digits(hit.text) for hit in hits if hit.weight > 0 and (every or hit.polarity == "negative")
    )
    listed = "、".join(f"{text}×{count}" if count > 1 else text for text, count in counted.most_common(8))
    return f"用詞：{listed}" if listed else ""


def _doings(doings: Sequence[Behaviour]) -> str:
    counted = Counter(_DOINGS[doing.kind] for doing in doings)
    listed = "、".join(f"{name}×{count}" if count > 1 else name for name, count in counted.most_common())
    return f"行為：{listed}" if listed else ""
