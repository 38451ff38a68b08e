"""Personal data in dialogues that are texts already: transcripts, archives, training data. Pure.

A text has no clock: each turn is taken to last as long as it takes to say it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from cantonese.personal.categories import PersonalSpan
from cantonese.personal.dialogue import Changed, DialogueRedactor
from cantonese.personal.finding import merged
from cantonese.personal.lists import words
from cantonese.spoken import syllables

SYLLABLE_S, BETWEEN_S = 0.22, 0.4
"""Time for a syllable and between two turns, s: four and a half syllables a second is usual."""
LONGEST_PIECE, OVERLAP = 300, 80
"""Characters of a turn that are read at once, and how many of them are read again with what follows: a value
must be whole in one of two pieces."""
AGENT = 1
_AGENTS = frozenset(words("words", "speech", "agents"))


def channel_of(role: str) -> int:
    """Return the channel of a role: :data:`AGENT` for the company's own people, 0 for everybody else."""
    return AGENT if role.strip().lower() in _AGENTS else 0


def dialogue_spans(turns: Sequence[tuple[str, str]]) -> list[tuple[PersonalSpan, ...]]:
    """Return the personal data of each turn, as it stands at the end of the dialogue.

    Args:
        turns: role and text of each, in order; a role as in :func:`channel_of`.
    """
    redactor = DialogueRedactor(frozenset({AGENT}))
    found: list[dict[int, tuple[PersonalSpan, ...]]] = [{} for _ in turns]
    at = 0.0

    def take(changes: Iterable[Changed]) -> None:
        for changed in changes:
            number, start = cast(tuple[int, int], changed.turn)  # names of ours
            found[number][start] = changed.spans

    for number, (role, text) in enumerate(turns):
        for start, piece in _pieces(text):
            ends = at + syllables(piece) * SYLLABLE_S
            told = redactor.turn((number, start), channel_of(role), piece, at, ends)
            found[number][start] = told.spans
            at = ends
            take((*told.changed, *redactor.advance(at)))
        at += BETWEEN_S
    take(redactor.finish())
    return [_joined(pieces) for pieces in found]


def _joined(pieces: dict[int, tuple[PersonalSpan, ...]]) -> tuple[PersonalSpan, ...]:
    """Return the spans of a turn's pieces; what two of them have found is one."""
    spans = [
        PersonalSpan(start + span.start, start + span.end, span.category)
        for start, found in pieces.items()
        for span in found
    ]
    return tuple(merged(spans)) if len(pieces) > 1 else tuple(spans)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield a text in pieces that are short enough and overlap, each with where it begins."""
    start = 0
    while len(text) - start > LONGEST_PIECE:
        yield start, text[start : start + LONGEST_PIECE]
        start += LONGEST_PIECE - OVERLAP
    yield start, text[start:]
