"""From turns to words: every word gets the voice that speaks while it is said."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from diarization.base import SAMPLE_RATE, SpeakerTurn
from diarization.turns import who

FLICKER = SAMPLE_RATE // 4
"""A change of voice for less than this, within the speech of another one, is an error of word times."""


def word_speakers(spans: Sequence[tuple[int, int]], turns: Sequence[SpeakerTurn]) -> tuple[str, ...]:
    """Return the label of each word, '' where nobody is known.

    Args:
        spans: start and end of each word, in samples.
        turns: of the voices.
    """
    found = [who(turns, start, end) or "" for start, end in spans]
    runs = _runs(found)
    for before, (first, last), after in zip(runs, runs[1:], runs[2:], strict=False):
        neighbour = found[before[0]]
        short = spans[last - 1][1] - spans[first][0] < FLICKER
        if short and neighbour and neighbour == found[after[0]]:
            found[first:last] = [neighbour] * (last - first)
    return tuple(found)


def _runs(labels: Sequence[str]) -> list[tuple[int, int]]:
    edges = [0, *(i for i in range(1, len(labels)) if labels[i] != labels[i - 1]), len(labels)]
    return list(pairwise(edges)) if labels else []


def main_speaker(turns: Sequence[SpeakerTurn], words: Sequence[str] = ()) -> str:
    """Return who says most of an utterance, by words or else by time; '' if nobody is known."""
    counted = Counter(word for word in words if word)
    if counted:
        return max(counted, key=lambda name: counted[name])
    lengths: Counter[str] = Counter()
    for turn in turns:
        lengths[turn.speaker] += turn.end - turn.start
    return max(lengths, key=lambda name: lengths[name]) if lengths else ""


def same_names(new: Sequence[SpeakerTurn], old: Sequence[SpeakerTurn]) -> dict[str, str]:
    """Return for each label of ``new`` the one of ``old`` that it shares most time with; none twice."""
    shared: Counter[tuple[str, str]] = Counter()
    theirs_by_start = sorted(old, key=lambda turn: turn.start)
    starts = [turn.start for turn in theirs_by_start]
    longest = max((turn.end - turn.start for turn in old), default=0)
    for turn in new:
        near = theirs_by_start[bisect_left(starts, turn.start - longest) : bisect_left(starts, turn.end)]
        for other in near:
            common = min(turn.end, other.end) - max(turn.start, other.start)
            if common > 0:
                shared[turn.speaker, other.speaker] += common
    names: dict[str, str] = {}
    for (mine, theirs), _ in shared.most_common():
        if mine not in names and theirs not in names.values():
            names[mine] = theirs
    return names
