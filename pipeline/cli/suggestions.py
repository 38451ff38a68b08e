"""What a person sees of reply suggestions in a call."""

from __future__ import annotations

from rich.text import Text

from yuetone.v1 import assist_pb2

_REASONS = {
    assist_pb2.Suggestion.REASON_SAID: "已講 said",
    assist_pb2.Suggestion.REASON_REJECTED: "不用 refused",
}


class SuggestionList:
    """The suggestions of one call."""

    def __init__(self) -> None:
        self._shown: dict[str, assist_pb2.Suggestion] = {}
        self._ids: set[str] = set()
        self._utterances: set[str] = set()

    @property
    def proposed(self) -> int:
        """How many different ones there were."""
        return len(self._ids)

    @property
    def utterances(self) -> int:
        """How many utterances had one."""
        return len(self._utterances)

    def take(self, suggestion: assist_pb2.Suggestion) -> Text | None:
        """Take a suggestion; return a line for a screen that only grows, None for nothing new."""
        before = self._shown.get(suggestion.suggestion_id)
        if suggestion.state == assist_pb2.Suggestion.STATE_WITHDRAWN:
            self._shown.pop(suggestion.suggestion_id, None)
            reason = _REASONS.get(suggestion.reason)
            return Text(f"          ✓ {_name(suggestion)}: {reason}", style="dim") if reason else None
        self._shown[suggestion.suggestion_id] = suggestion
        self._ids.add(suggestion.suggestion_id)
        self._utterances.add(suggestion.utterance_id)
        if before is not None and (before.text, before.rank) == (suggestion.text, suggestion.rank):
            return None
        return line(suggestion, indent="          ")

    def lines(self) -> list[Text]:
        """Return what is shown now, best first."""
        return [line(item, indent="") for item in sorted(self._shown.values(), key=lambda item: item.rank)]


def _name(suggestion: assist_pb2.Suggestion) -> str:
    return suggestion.sources[0].article_id if suggestion.sources else suggestion.suggestion_id


def line(suggestion: assist_pb2.Suggestion, *, indent: str) -> Text:
    """Return a suggestion: the best one whole, others by their titles."""
    head = f"{indent}💡 建議 {suggestion.rank}. {suggestion.confidence:.0%} {_name(suggestion)} "
    title = suggestion.sources[0].title if suggestion.sources else ""
    best = suggestion.rank == 1
    text = f"{title} → {suggestion.text}" if best else title
    return Text(head + text, style="magenta" if best else "dim magenta")
