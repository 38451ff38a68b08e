"""A recording and what is said in it, when."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """Something that is said: channel, from and to in s, text, and category; "" for a whole turn."""

    channel: int
    start: float
    end: float
    text: str
    category: str = ""


@dataclass(slots=True)
class RenderedCall:
    """A recording and what is said in it.

    Attributes:
        path: of the recording, the customer on the first channel, the agent on the second.
        turns: each of them.
        values: personal ones.
    """

    path: Path
    turns: list[Spoken] = field(default_factory=list)
    values: list[Spoken] = field(default_factory=list)
