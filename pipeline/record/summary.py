"""What a finished call was about, what was promised in it, and how it may be filed: by rules. Pure.

Every sentence is one that was said, with its utterance: nothing is worded anew, so nothing is made up.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diarization import Role
from pipeline.calls.events import AlertEvent, AlertState, Envelope, SuggestionEvent, TranscriptEvent
from pipeline.record.reading import transcript
from suggest.dialogue.active import Reason

MOST_REQUESTS, MOST_STEPS = 3, 5
SHORTEST = 6
"""Characters of a sentence that says something."""
OPENING = 8
"""Utterances of a customer among which the reason of a call is looked for."""
_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_CODES = {code: re.compile(words, re.IGNORECASE) for code, words in _TABLES["codes"].items()}
_REQUEST, _PROMISE, _QUESTION = (
    re.compile(_TABLES["sentences"][name], re.IGNORECASE) for name in ("request", "promise", "question")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """A sentence that was said.

    Attributes:
        utterance_id: where.
        role: by whom.
        start: sample of the call.
        text: redacted.
    """

    utterance_id: str
    role: Role
    start: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedArticle:
    """An article that was suggested.

    Attributes:
        article_id: of it.
        title: of it.
        confidence: the highest, in [0, 1].
    """

    article_id: str
    title: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    """A call, summed up.

    Attributes:
        code: how it may be filed; empty where nothing tells.
        about: what the customer wanted.
        next_steps: what the agent promised.
        articles: what was suggested, the surest first.
        alerts: rules that raised one.
    """

    code: str
    about: tuple[Sourced, ...]
    next_steps: tuple[Sourced, ...]
    articles: tuple[SuggestedArticle, ...]
    alerts: tuple[str, ...]


def summary_of(events: Sequence[Envelope]) -> CallSummary:
    """Return the summary of a call.

    Args:
        events: all that is kept of it.
    """
    said = transcript(events)
    customer = [final for final in said if final.role is not Role.AGENT]
    agent = [final for final in said if final.role is Role.AGENT]
    return CallSummary(
        code=_code(customer),
        about=tuple(map(_sourced, _requests(customer))),
        next_steps=tuple(map(_sourced, _promises(agent))),
        articles=_articles(events),
        alerts=tuple(
            dict.fromkeys(
                envelope.event.rule
                for envelope in events
                if isinstance(envelope.event, AlertEvent) and envelope.event.state is AlertState.RAISED
            )
        ),
    )


def _requests(customer: Sequence[TranscriptEvent]) -> list[TranscriptEvent]:
    """Return what a customer asked for at first; without such a sentence, the longest of the first ones."""
    opening = [final for final in customer if len(final.text) >= SHORTEST][:OPENING]
    asked = [final for final in opening if _REQUEST.search(final.text)]
    return asked[:MOST_REQUESTS] or sorted(opening[:3], key=lambda final: -len(final.text))[:1]


def _promises(agent: Sequence[TranscriptEvent]) -> list[TranscriptEvent]:
    """Return what an agent promised, but for what was only offered."""
    told = [final for final in agent if len(final.text) >= SHORTEST and _PROMISE.search(final.text)]
    return [final for final in told if not _QUESTION.search(final.text)][-MOST_STEPS:]


def _code(customer: Sequence[TranscriptEvent]) -> str:
    """Return the first code that somebody's words are for."""
    text = "\n".join(final.text for final in customer)
    return next((code for code, words in _CODES.items() if words.search(text)), "")


def _articles(events: Sequence[Envelope]) -> tuple[SuggestedArticle, ...]:
    """Return what was suggested, but for what the agent did not want."""
    found: dict[str, SuggestedArticle] = {}
    refused: set[str] = set()
    for envelope in events:
        if not isinstance(envelope.event, SuggestionEvent):
            continue
        draft = envelope.event.shown.draft
        source = draft.sources[0]
        if envelope.event.shown.reason is Reason.REJECTED:
            refused.add(source.article_id)
        known = found.get(source.article_id)
        if known is None or draft.confidence > known.confidence:
            found[source.article_id] = SuggestedArticle(
                article_id=source.article_id, title=source.title, confidence=draft.confidence
            )
    kept = (article for name, article in found.items() if name not in refused)
    return tuple(sorted(kept, key=lambda article: -article.confidence))


def _sourced(final: TranscriptEvent) -> Sourced:
    return Sourced(utterance_id=final.utterance_id, role=final.role, start=final.start, text=final.text)
