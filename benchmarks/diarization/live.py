"""How the live engine came to its answer: when labels came, and how often they changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.diarization.calls import TrueCall
from diarization import SpeakerTurn
from diarization.assign import same_names
from pipeline.analysis.speakers import LiveTurns
from pipeline.calls.info import SAMPLE_RATE

SETTLED_S = 30.0
WORD_S = 0.3
"""A stand-in for words: the truth is sampled this often."""


class LiveFigures:
    """Collects over calls."""

    def __init__(self) -> None:
        self._first: list[float] = []
        self._switches = 0.0
        self._minutes = 0.0
        self._took: list[float] = []
        self._words: list[bool] = []

    def add(self, call: TrueCall, found: LiveTurns) -> None:
        """Count a call."""
        self._took += [change.seconds for change in found.changes]
        self._first += _first_labels(call, found)
        self._switches += _switches(found)
        self._minutes += max(0.0, len(call.pcm) / SAMPLE_RATE - SETTLED_S) / 60
        self._words += _right_words(call.truth, found.turns)

    def figures(self) -> dict[str, Any]:
        """Return what was collected."""
        first = np.array(self._first or [np.nan])
        took = np.array(self._took or [np.nan]) * 1000
        return {
            "words_with_the_right_speaker": round(float(np.mean(self._words or [False])), 4),
            "first_label_after_s_p50_p95": [round(float(np.percentile(first, q)), 2) for q in (50, 95)],
            "switches_a_minute_after_30_s": round(self._switches / max(self._minutes, 1e-9), 3),
            "utterance_ms_p50_p95_p99": [round(float(np.percentile(took, q)), 1) for q in (50, 95, 99)],
        }


def _first_labels(call: TrueCall, found: LiveTurns) -> list[float]:
    """Return for each voice how long after the end of its first turn any label for it came, in seconds."""
    delays = []
    for speaker in dict.fromkeys(turn.speaker for turn in call.truth):
        first = next(turn for turn in call.truth if turn.speaker == speaker)
        told = [
            change.at + change.seconds * SAMPLE_RATE
            for change in found.changes
            for turns in change.turns.values()
            if any(min(t.end, first.end) > max(t.start, first.start) for t in turns)
        ]
        if told:
            delays.append(max(0.0, (min(told) - first.end) / SAMPLE_RATE))
    return delays


def _switches(found: LiveTurns) -> float:
    """Return how often an utterance that had been told got another main speaker, after SETTLED_S."""
    main: dict[int, str] = {}
    count = 0
    for change in found.changes:
        for key, turns in change.turns.items():
            lengths: dict[str, int] = {}
            for turn in turns:
                lengths[turn.speaker] = lengths.get(turn.speaker, 0) + turn.end - turn.start
            now = max(lengths, key=lambda name: lengths[name], default="")
            if key in main and main[key] != now and change.at > SETTLED_S * SAMPLE_RATE:
                count += 1
            main[key] = now
    return count


def _right_words(truth: list[SpeakerTurn], turns: list[SpeakerTurn]) -> list[bool]:
    """Return for moments at which one voice speaks whether it has the right label, as words would get it."""
    names = same_names(turns, truth)
    right = []
    for at in range(0, max((t.end for t in truth), default=0), int(WORD_S * SAMPLE_RATE)):
        speaking = {t.speaker for t in truth if t.start <= at < t.end}
        labels = {names.get(t.speaker, "") for t in turns if t.start <= at < t.end}
        if len(speaking) == 1 and labels:
            right.append(bool(labels & speaking) and len(labels) == 1)
    return right
