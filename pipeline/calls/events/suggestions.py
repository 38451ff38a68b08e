"""Events about what the agent could reply."""

from __future__ import annotations

from dataclasses import dataclass

from suggest.dialogue.active import ActiveSuggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionEvent:
    """A suggestion is proposed, has another text, or is taken back.

    Attributes:
        shown: as it stands.
        channel: of the customer.
        at: end of what it answers, in samples.
    """

    shown: ActiveSuggestion
    channel: int
    at: int
