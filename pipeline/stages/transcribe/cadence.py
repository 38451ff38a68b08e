"""How often an utterance is read while it goes on. Pure."""

from __future__ import annotations

from pipeline.sections.asr import PartialSettings

BUSY_QUEUE = 4
"""Jobs waiting in the recogniser from which partials come at their slowest."""
BUSY_SHARE = 0.5
"""Share of the recogniser's time in use from which they do: each partial reads its utterance again, and what
partials leave unused, more calls can have."""


def between_partials_ms(settings: PartialSettings, waiting: int, load: float) -> int:
    """Return ms of audio from one partial to the next.

    Args:
        settings: of the call's profile.
        waiting: jobs before the recogniser.
        load: share of its time in use, in [0, 1].
    """
    busy = min(1.0, max(waiting / BUSY_QUEUE, load / BUSY_SHARE))
    return settings.every_ms + int(busy * max(0, settings.slowest_ms - settings.every_ms))
