"""What is in force at each sample of a call: language, hotwords, hold. Pure.

Control messages stand in one stream with the audio. Whoever takes them (the first stage) notes the sample
from which each is in force, and every stage asks for the sample that it works on. So audio that waits in a
queue is heard in the language that was in force when it was spoken, however late that is.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Generic, TypeVar

from cantonese.personal import Category

T = TypeVar("T")
KEPT = 256
"""Changes of one kind that are kept; of what lies further back, the oldest kept value is said."""


class History(Generic[T]):
    """A value that changes at samples of a call.

    Args:
        first: value from the first sample on.
    """

    def __init__(self, first: T) -> None:
        self._from = [0]
        self._values = [first]

    def change(self, at: int, value: T) -> None:
        """Let ``value`` be in force from sample ``at`` on, which must not lie before the last change."""
        if at < self._from[-1]:
            raise ValueError("controls come in the order of the stream")
        if at == self._from[-1]:
            self._values[-1] = value
            return
        self._from.append(at)
        self._values.append(value)
        if len(self._from) > KEPT:
            del self._from[0], self._values[0]

    def at(self, sample: int) -> T:
        """Return the value in force at a sample."""
        return self._values[max(0, bisect_right(self._from, sample) - 1)]

    def within(self, first: int, last: int) -> tuple[T, ...]:
        """Return every value that was in force between two samples, in order."""
        begin = max(0, bisect_right(self._from, first) - 1)
        return tuple(self._values[begin : max(begin + 1, bisect_right(self._from, last))])

    def intervals(self) -> tuple[tuple[int, int | None, T], ...]:
        """Return each kept value with the samples between which it is in force; None for an open end."""
        ends: list[int | None] = [*self._from[1:], None]
        return tuple(zip(self._from, ends, self._values, strict=True))

    @property
    def now(self) -> T:
        """The newest value: for what comes next."""
        return self._values[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallControls:
    """The controls of one call; written by the stage that takes messages, read by all.

    Attributes:
        language: BCP 47.
        hotwords: likely words, those of the profile included.
        paused: whether audio counts as time only and is not heard.
        sensitive: what is being said that nobody must read or hear; None for nothing.
    """

    language: History[str]
    hotwords: History[tuple[str, ...]]
    paused: History[bool]
    sensitive: History[Category | None]
