"""Dialogues with marked personal data, and how they are read.

Marked text: ``我電話係[[phone:九一二三]]，月費{{amount:一百蚊}}``: what must be hidden, and what must stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"\[\[(?P<category>\w+):(?P<said>.*?)\]\]|\{\{(?P<kind>\w+):(?P<kept>.*?)\}\}")
Stretch = tuple[int, int, str]
"""First code point, behind the last one, and what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn.

    Attributes:
        role: agent or customer.
        text: of it.
        personal: what must be hidden.
        keep: what must stay.
    """

    role: str
    text: str
    personal: tuple[Stretch, ...]
    keep: tuple[Stretch, ...]


Dialogue = tuple[Turn, ...]


def marked(role: str, text: str) -> Turn:
    """Return the turn of a marked text."""
    plain, position = "", 0
    personal: list[Stretch] = []
    keep: list[Stretch] = []
    for found in _MARK.finditer(text):
        plain += text[position : found.start()]
        start = len(plain)
        plain += found["said"] or found["kept"]
        if found["category"]:
            personal.append((start, len(plain), found["category"]))
        else:
            keep.append((start, len(plain), found["kind"]))
        position = found.end()
    return Turn(role=role, text=plain + text[position:], personal=tuple(personal), keep=tuple(keep))


def read_dialogues(paths: Iterable[Path]) -> Iterator[tuple[str, Dialogue]]:
    """Yield the dialogues of files, each with the name of its file."""
    for path in paths:
        for line in path.read_text("utf-8").splitlines():
            turns = json.loads(line)["turns"]
            yield (
                path.stem,
                tuple(
                    Turn(
                        role=turn["role"],
                        text=turn["text"],
                        personal=tuple(
                            (span["start"], span["end"], span["category"]) for span in turn["spans"]
                        ),
                        keep=tuple((span["start"], span["end"], span["kind"]) for span in turn["keep"]),
                    )
                    for turn in turns
                ),
            )
