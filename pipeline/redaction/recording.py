"""The sound of one channel as it may be recorded: late, and cut. Pure."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.calls.info import SAMPLE_RATE
from pipeline.redaction.guard import CallGuard
from pipeline.redaction.holding import MOST_HELD, Cut, HeldSound, Pcm, Stretch

RELEASED = SAMPLE_RATE
"""Samples that are let go at once, at least."""
LOOKED = SAMPLE_RATE // 4
"""Samples behind which it is looked again whether something may be let go."""


class GuardedSound:
    """Holds a channel's sound back until it is known what of it must not be heard.

    Args:
        channel: whose.
        guard: of the call.
        safe: returns the sample before which everything said is in finals that were told.
        released: samples that are let go at once, at least.
        with_cut: whether what is cut is wanted too, but for what nobody may hear.
    """

    def __init__(
        self,
        channel: int,
        guard: CallGuard,
        safe: Callable[[], int],
        released: int = RELEASED,
        *,
        with_cut: bool = False,
    ) -> None:
        self._channel, self._guard, self._safe = channel, guard, safe
        self._released, self._with_cut = released, with_cut
        self._held = HeldSound()
        self._look_at = released

    @property
    def lost(self) -> int:
        """Samples that waited too long for their words, and were silenced."""
        return self._held.lost

    def hear(self, pcm: Pcm) -> list[Pcm]:
        """Take sound, float32 at 16 kHz, shape (n,); return what may be recorded now."""
        held = self._held
        held.hear(pcm)
        if held.end < self._look_at:
            return []
        released = self._release()
        self._look_at = max(held.start + self._released, held.end + LOOKED)
        return released

    def settle(self, safe: int) -> list[Pcm]:
        """Return all that may be recorded now, however little it is.

        Args:
            safe: sample before which everything said is in finals that were told.
        """
        settled = self._guard.settled(self._channel, safe)
        return self._held.release(settled, self._guard.unheard(self._channel), never=self._never())

    def _release(self) -> list[Pcm]:
        held = self._held
        settled = self._guard.settled(self._channel, self._safe())
        if settled - held.start < self._released and held.end - held.start < MOST_HELD:
            return []
        return self.settle(self._safe())

    def _never(self) -> list[Stretch] | None:
        return self._guard.never_heard(self._channel) if self._with_cut else None

    def cut(self) -> list[Cut]:
        """Return what was cut since the last time, with its first samples."""
        found, self._held.cut = self._held.cut, []
        return found

    def finish(self) -> list[Pcm]:
        """Return what is left, once all words of the call are final."""
        hidden = self._guard.unheard(self._channel)
        return self._held.release(self._held.end, hidden, never=self._never(), closing=True)
