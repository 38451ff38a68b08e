"""Suggestions that people were told of, and what is kept of what they did with them; no clock, no thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cantonese.personal import mask_personal_data
from pipeline.calls.info import CallInfo
from pipeline.calls.reach import CallReach
from pipeline.errors import InvalidRequest, UnknownSuggestion
from suggest.base import ArticleHit
from suggest.dialogue.active import ActiveSuggestion
from suggest.store.record import ACTIONS, Feedback, Question

REMEMBERED = 20_000
"""Suggestions, also of calls that have ended, that feedback can name; the oldest goes."""
LONGEST_EDIT = 4_000
_Name = tuple[str | None, str, str]
"""Company, call and suggestion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSuggestion:
    """A suggestion that somebody was told of.

    Attributes:
        call: the call in which it was shown.
        article: company and id.
        language: language of the reply.
        utterance_id: the utterance with the question.
        text: the question, masked.
        confidence: confidence of the hit.
        done: what the agent did with it.
    """

    call: CallInfo
    article: tuple[str, str]
    language: str
    utterance_id: str
    text: str
    confidence: float
    done: set[str] = field(default_factory=set)


class ShownSuggestions:
    """Those that feedback can name."""

    def __init__(self) -> None:
        self._remembered: dict[_Name, ShownSuggestion] = {}  # bounded by REMEMBERED

    def remember(self, call: CallInfo, shown: ActiveSuggestion, question: str) -> None:
        """Remember a suggestion; without a question, the one before stays."""
        name = (call.tenant, call.call_id, shown.id)
        before = self._remembered.get(name)
        self._remembered[name] = ShownSuggestion(
            call=call,
            article=shown.draft.article,
            language=shown.draft.language,
            utterance_id=shown.utterance_id,
            text=question or (before.text if before else ""),
            confidence=shown.draft.confidence,
            done=before.done if before else set(),
        )
        while len(self._remembered) > REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))

    def of(self, call: CallInfo, suggestion_id: str) -> ShownSuggestion | None:
        """Return a suggestion of a call; None where it is too long ago."""
        return self._remembered.get((call.tenant, call.call_id, suggestion_id))

    def within(self, call_id: str, suggestion_id: str, reach: CallReach) -> ShownSuggestion:
        """Return a suggestion that was shown in a call within ``reach``.

        Raises:
            UnknownSuggestion: there is none of that id in that call, or it is too long ago.
        """
        if reach.tenant is not None:
            found = self._remembered.get((reach.tenant, call_id, suggestion_id))
        else:
            found = next(
                (s for name, s in self._remembered.items() if name[1:] == (call_id, suggestion_id)), None
            )
        if found is None or not reach.takes(found.call):
            raise UnknownSuggestion("no suggestion of that id was shown in that call")
        return found


def checked(action: str, text: str, after_ms: int | None) -> None:
    """Look at what somebody says they did with a suggestion.

    Raises:
        InvalidRequest: it cannot be.
    """
    if action not in ACTIONS or len(text) > LONGEST_EDIT or (after_ms is not None and after_ms < 0):
        raise InvalidRequest(
            f"action must be known, after_ms not negative, edited_text at most {LONGEST_EDIT} characters"
        )


def feedback_of(
    suggestion_id: str, told: ShownSuggestion, action: str, text: str, after_ms: int | None, now: datetime
) -> list[Feedback | Question]:
    """Return what is kept of what an agent did: the feedback, and the question that was answered badly."""
    owner, article_id = told.article
    rows: list[Feedback | Question] = [
        Feedback(
            at=now,
            tenant=told.call.tenant or "",
            article_id=article_id,
            article_tenant=owner,
            call_id=told.call.call_id,
            suggestion_id=suggestion_id,
            action=action,
            language=told.language,
            after_ms=after_ms,
            text="".join(char for char in mask_personal_data(text) if char == "\n" or char.isprintable()),
        )
    ]
    if action in ("wrong", "dismissed") and told.text:
        rows.append(
            Question(
                at=now,
                tenant=told.call.tenant or "",
                call_id=told.call.call_id,
                utterance_id=told.utterance_id,
                text=told.text,
                language=told.language,
                confidence=told.confidence,
                nearest=article_id,
                outcome=action,
            )
        )
    return rows


def unanswered(
    call: CallInfo,
    utterance_id: str,
    text: str,
    language: str,
    nearest: Sequence[ArticleHit],
    now: datetime,
) -> Question:
    """Return a question without a good answer, masked; ``nearest``: the best hit, if there was one."""
    best = nearest[0] if nearest else None
    return Question(
        at=now,
        tenant=call.tenant or "",
        call_id=call.call_id,
        utterance_id=utterance_id,
        text=mask_personal_data(text),
        language=language,
        confidence=best.confidence if best else 0.0,
        nearest=best.article.id if best else "",
        outcome="unanswered",
    )
