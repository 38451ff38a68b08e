"""Personal data in dialogues that are texts already: transcripts, archives, training data. Pure.

A text has no clock: each turn is taken to last as long as it takes to say it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cantonese.personal.categories import PersonalSpan
from cantonese.personal.dialogue import DialogueRedactor
from cantonese.personal.lists import words
from cantonese.spoken import syllables

SYLLABLE_S, BETWEEN_S = 0.22, 0.4
"""Time for a syllable and between two turns, s: four and a half syllables a second is usual."""
LONGEST_PIECE = 300
"""Characters of a turn that are read at once; a longer one is cut at its marks."""
AGENT = 1
_AGENTS = frozenset(words("words", "speech", "agents"))
_MARK = re.compile(r"[，。？！、,.?!;；\s]")


def channel_of(role: str) -> int:
    """Return the channel of a role: :data:`AGENT` for the company's own people, 0 for everybody else."""
    return AGENT if role.strip().lower() in _AGENTS else 0


def dialogue_spans(turns: Sequence[tuple[str, str]]) -> list[tuple[PersonalSpan, ...]]:
    """Return the personal data of each turn, as it stands at the end of the dialogue.

    Args:
        turns: role and text of each, in order; a role as in :func:`channel_of`.
    """
    redactor = DialogueRedactor(frozenset({AGENT}))
    found: dict[tuple[int, int], tuple[PersonalSpan, ...]] = {}
    at = 0.0
    for number, (role, text) in enumerate(turns):
        for start, piece in _pieces(text):
            ends = at + syllables(piece) * SYLLABLE_S
            told = redactor.turn((number, start), channel_of(role), piece, at, ends)
            found[number, start] = told.spans
            at = ends
            for changed in (*told.changed, *redactor.advance(at)):
                found[changed.turn] = changed.spans  # type: ignore[index] # names of ours
        at += BETWEEN_S
    for changed in redactor.finish():
        found[changed.turn] = changed.spans  # type: ignore[index] # the same
    return [_of_turn(found, number) for number in range(len(turns))]


def _of_turn(found: dict[tuple[int, int], tuple[PersonalSpan, ...]], number: int) -> tuple[PersonalSpan, ...]:
    return tuple(
        PersonalSpan(start + span.start, start + span.end, span.category)
        for (turn, start), spans in sorted(found.items())
        if turn == number
        for span in spans
    )


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield a text in pieces that are short enough, each with where it begins."""
    start = 0
    while len(text) - start > LONGEST_PIECE:
        marks = [mark.end() for mark in _MARK.finditer(text, start, start + LONGEST_PIECE)]
        end = marks[-1] if marks else start + LONGEST_PIECE
        yield start, text[start:end]
        start = end
    yield start, text[start:]
