"""Why an alert was raised: shares, kinds of words, counts. Digits and rude words are hidden. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from cantonese.personal import hide_digits
from emotion import AgitationPoint
from emotion.behaviour import Behaviour
from emotion.words import LexiconHit
from pipeline.calls.events import AlertReason, ReasonKind

_SHARES = {ReasonKind.VOICE: "語氣", ReasonKind.WORDS: "用詞", ReasonKind.BEHAVIOUR: "行為"}
_DOINGS = {
    ReasonKind.INTERRUPTION: "打斷對方",
    ReasonKind.OVERLAP: "雙方同時說話",
    ReasonKind.PACE: "語速加快",
    ReasonKind.REPEAT: "重複提問",
    ReasonKind.CALLS: "重複來電",
}
_LONGEST = 400
_MOST_WORDS = 8


def agitation_reasons(
    point: AgitationPoint, hits: Sequence[LexiconHit], doings: Sequence[Behaviour]
) -> tuple[AlertReason, ...]:
    """Return the reasons for an alert about agitation: its height, its parts, and what was behind it."""
    shares = (
        AlertReason(kind=ReasonKind.AGITATION, value=point.value),
        AlertReason(kind=ReasonKind.VOICE, value=point.voice),
        AlertReason(kind=ReasonKind.WORDS, value=point.words),
        AlertReason(kind=ReasonKind.BEHAVIOUR, value=point.behaviour),
    )
    done = Counter(ReasonKind(doing.kind) for doing in doings)
    return (
        shares
        + word_reasons(hits)
        + tuple(AlertReason(kind=kind, value=count) for kind, count in done.most_common())
    )


def word_reasons(hits: Sequence[LexiconHit], *, every: bool = False) -> tuple[AlertReason, ...]:
    """Return the words that count against the mood, or ``every`` one, private ones by category."""
    counted = Counter(
        hide_digits(hit.text) for hit in hits if hit.weight > 0 and (every or hit.polarity == "negative")
    )
    return tuple(
        AlertReason(kind=ReasonKind.WORD, text=text, value=count)
        for text, count in counted.most_common(_MOST_WORDS)
    )


def written(reasons: Sequence[AlertReason]) -> str:
    """Return reasons as people read them, in Traditional Chinese."""
    of = {kind: [reason for reason in reasons if reason.kind is kind] for kind in ReasonKind}
    shares = (f"{name} {reason.value:.0%}" for kind, name in _SHARES.items() for reason in of[kind])
    parts = (
        *(f"激動程度 {reason.value:.0%}：{'、'.join(shares)}" for reason in of[ReasonKind.AGITATION]),
        _listed("關鍵詞：", ((reason.text, 1) for reason in of[ReasonKind.PHRASE])),
        _listed("用詞：", ((reason.text, int(reason.value)) for reason in of[ReasonKind.WORD])),
        _listed("行為：", ((_DOINGS[one.kind], int(one.value)) for one in reasons if one.kind in _DOINGS)),
        *(f"{reason.value:.0f} 秒無人說話" for reason in of[ReasonKind.SILENCE]),
        *(f"連續 {reason.value:.0f} 次無合適建議" for reason in of[ReasonKind.NO_SUGGESTION]),
    )
    return "；".join(filter(None, parts))[:_LONGEST]


def _listed(head: str, counted: Iterable[tuple[str, int]]) -> str:
    listed = "、".join(f"{text}×{count}" if count > 1 else text for text, count in counted)
    return f"{head}{listed}" if listed else ""
