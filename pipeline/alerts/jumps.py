"""A wall clock that jumps: alerts must not expire, nor be deleted, because somebody set the time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_JUMP_S = 300.0
"""Difference between the wall clock and time that passed from which it is a jump: NTP corrects less."""


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock went ahead of time that passed.

    Attributes:
        at: what it showed behind the jump, s since 1970 UTC.
        by: seconds.
    """

    at: float
    by: float


class ClockJumps:
    """Compares the wall clock with a steady one, look by look."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None
        self._jump: Jump | None = None

    def look(self, wall: float, steady: float) -> Jump | None:
        """Return the jump ahead that is in force; None where the clock has been set back, or never jumped.

        Args:
            wall: s since 1970 UTC.
            steady: s, monotonic.
        """
        if self._before is not None:
            by = wall - self._before[0] - (steady - self._before[1])
            if abs(by) >= LEAST_JUMP_S:
                whole = by + (self._jump.by if self._jump else 0.0)
                self._jump = Jump(wall, whole) if whole >= LEAST_JUMP_S else None
        self._before = (wall, steady)
        return self._jump
