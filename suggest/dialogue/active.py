"""What the agent is being shown: proposals, their revisions, and what is taken back. Pure; one per call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from suggest.dialogue.drafting import Draft

SHOWN_AT_ONCE = 3


class State(StrEnum):
    """What became of a suggestion."""

    PROPOSED = "proposed"
    WITHDRAWN = "withdrawn"


class Reason(StrEnum):
    """Why one is taken back."""

    NONE = ""
    REPLACED = "replaced"
    SAID = "said"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveSuggestion:
    """A suggestion as it stands.

    Attributes:
        id: unique in the call.
        utterance_id: what it answers.
        revision: counts from 1.
        rank: 1 for the best.
        draft: what it says.
        state: proposed or withdrawn.
        reason: of a withdrawal.
    """

    id: str
    utterance_id: str
    revision: int
    rank: int
    draft: Draft
    state: State = State.PROPOSED
    reason: Reason = Reason.NONE


class ActiveSuggestions:
    """Keeps what is shown in one call. Every method returns what has changed, to be told.

    Args:
        first_id: suggestions are counted from behind it.
    """

    def __init__(self, first_id: int = 0) -> None:
        self._shown: dict[tuple[str, str], ActiveSuggestion] = {}
        self._rejected: set[tuple[str, str]] = set()
        self._count = first_id

    def __len__(self) -> int:
        return len(self._shown)

    def articles(self) -> list[tuple[str, str]]:
        """Return the articles that are shown."""
        return list(self._shown)

    def show(self, utterance_id: str, drafts: Sequence[Draft]) -> list[ActiveSuggestion]:
        """Replace what is shown by ``drafts``, best first; what stays keeps its id.

        Args:
            utterance_id: what they answer.
            drafts: none, or at most three that count; rejected articles are left out.
        """
        wanted = [draft for draft in drafts if draft.article not in self._rejected][:SHOWN_AT_ONCE]
        keys = [draft.article for draft in wanted]
        gone = self._take_back([key for key in self._shown if key not in keys], Reason.REPLACED)
        fresh = [self._put(utterance_id, rank, draft) for rank, draft in enumerate(wanted, 1)]
        return gone + [shown for shown in fresh if shown is not None]

    def add(self, utterance_id: str, draft: Draft) -> list[ActiveSuggestion]:
        """Show one more, above what is shown; nothing changes if its article is shown or refused already."""
        if draft.article in self._shown or draft.article in self._rejected:
            return []
        shown = self._put(utterance_id, 1, draft)
        return [shown] if shown is not None else []

    def revise(self, suggestion_id: str, draft: Draft) -> list[ActiveSuggestion]:
        """Give a suggestion another text, if it is still shown."""
        shown = next((item for item in self._shown.values() if item.id == suggestion_id), None)
        if shown is None:
            return []
        return [self._keep(replace(shown, revision=shown.revision + 1, draft=draft))]

    def said(self, articles: Iterable[tuple[str, str]]) -> list[ActiveSuggestion]:
        """Take back what the agent has said."""
        return self._take_back([key for key in articles if key in self._shown], Reason.SAID)

    def drop(self, articles: Iterable[tuple[str, str]]) -> list[ActiveSuggestion]:
        """Take back what no longer fits."""
        return self._take_back([key for key in articles if key in self._shown], Reason.REPLACED)

    def reject(self, article: tuple[str, str]) -> list[ActiveSuggestion]:
        """Take an article back and never show it again in this call."""
        self._rejected.add(article)
        return self._take_back([key for key in (article,) if key in self._shown], Reason.REJECTED)

    def _take_back(self, keys: Iterable[tuple[str, str]], reason: Reason) -> list[ActiveSuggestion]:
        gone = []
        for key in keys:
            shown = self._shown.pop(key)
            gone.append(replace(shown, revision=shown.revision + 1, state=State.WITHDRAWN, reason=reason))
        return gone

    def _put(self, utterance_id: str, rank: int, draft: Draft) -> ActiveSuggestion | None:
        """Show a draft; None if exactly that is shown already."""
        before = self._shown.get(draft.article)
        if before is None:
            self._count += 1
            return self._keep(
                ActiveSuggestion(
                    id=f"s{self._count}", utterance_id=utterance_id, revision=1, rank=rank, draft=draft
                )
            )
        same = (before.draft.text, before.draft.language, before.rank) == (draft.text, draft.language, rank)
        written = before.draft.written_by != "article" and before.draft.language == draft.language
        if (same or written) and before.utterance_id == utterance_id and before.rank == rank:
            return None
        revised = replace(
            before, utterance_id=utterance_id, revision=before.revision + 1, rank=rank, draft=draft
        )
        return self._keep(revised)

    def _keep(self, shown: ActiveSuggestion) -> ActiveSuggestion:
        self._shown[shown.draft.article] = shown
        return shown
