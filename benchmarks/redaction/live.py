"""Calls replayed through the guard, as partials and finals: what is readable, and how soon it is shown."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from asr import Word
from benchmarks.redaction.dialogues import Dialogue, Turn
from cantonese.numerals import DIGITS_ALOUD
from cantonese.personal import Category
from cantonese.spoken import normalize_spoken
from client import quantile
from diarization import Role
from pipeline.calls.controls import History
from pipeline.calls.events import TranscriptEvent
from pipeline.calls.forms import language_spans, raw_and_reading
from pipeline.calls.info import SAMPLE_RATE
from pipeline.redaction.guard import CallGuard
from pipeline.redaction.views import seen_transcript
from pipeline.sections.redaction import RedactionSettings

SYLLABLE_S, PARTIAL = 0.22, 3
"""Time for a character, s, and characters between two partials."""
MOST_CLEAR = 5
"""Digits of one value from which something is readable that must not be."""


@dataclass(slots=True)
class _Screen:
    """What a reader without any permission has before them.

    Attributes:
        texts: by utterance.
        clear: values that were readable at some moment.
        waits: s from the end of an utterance to the moment at which something of it is shown again.
    """

    texts: dict[str, str] = field(default_factory=dict)
    clear: set[str] = field(default_factory=set)
    waits: list[float] = field(default_factory=list)

    def show(self, event: TranscriptEvent) -> None:
        self.texts[event.utterance_id] = seen_transcript(event).raw_text

    def look(self, values: Sequence[str]) -> None:
        """Note values of which five digits in a row can be read now."""
        shown = digits_of("".join(self.texts.values()))
        for value in values:
            if any(value[at : at + MOST_CLEAR] in shown for at in range(len(value) - MOST_CLEAR + 1)):
                self.clear.add(value)


def digits_of(text: str) -> str:
    """Return the digits of a text, spoken or written."""
    return "".join(
        str(DIGITS_ALOUD.get(char, char)) for char in text if char in DIGITS_ALOUD or char.isdigit()
    )


def replay(dialogues: Sequence[Dialogue], seed: int) -> dict[str, Any]:
    """Return what could be read in clear, and times."""
    rng = random.Random(seed)
    clear = values = revealed = 0
    waits: list[float] = []
    partials_us: list[float] = []
    finals_us: list[float] = []
    for dialogue in dialogues:
        screen, wanted = _Screen(), _values(dialogue)
        guard = CallGuard(RedactionSettings(), 2, History[Category | None](None))
        at = 0.0
        for number, turn in enumerate(dialogue):
            text = normalize_spoken(turn.text) if turn.role == "customer" else turn.text
            for length in range(PARTIAL, len(text), PARTIAL):
                began = time.perf_counter()
                partial = guard.partial(_event(text[:length], turn, number, at, final=False))
                partials_us.append((time.perf_counter() - began) * 1e6)
                screen.show(partial)
                screen.look(wanted)
            began = time.perf_counter()
            final, changed = guard.final(_event(text, turn, number, at, final=True))
            finals_us.append((time.perf_counter() - began) * 1e6)
            screen.show(final)
            for event in changed:
                screen.show(event.final)
            screen.look(wanted)
            ended = final.end / SAMPLE_RATE
            pause = rng.uniform(0.3, 3.0)
            for step in range(int(pause / 0.1) + 1):
                for event in guard.advance(
                    final.channel, int((ended + 0.1 * step) * SAMPLE_RATE), speaking=False
                ):
                    waits.append(ended + 0.1 * step - event.final.end / SAMPLE_RATE)
                    screen.show(event.final)
                    revealed += 1
            screen.look(wanted)
            at = ended + pause
        for event in guard.finish():
            screen.show(event.final)
        screen.look(wanted)
        clear += len(screen.clear)
        values += len(wanted)
    return {
        "calls": len(dialogues),
        "values_of_five_digits": values,
        "readable_at_some_moment": clear,
        "shown_again": revealed,
        "shown_again_after_s": _quantiles(waits),
        "partial_us": _quantiles(partials_us),
        "final_us": _quantiles(finals_us),
    }


def _values(dialogue: Dialogue) -> list[str]:
    """Return the digits of values that have five or more, whole ones."""
    found = (digits_of(turn.text[start:end]) for turn in dialogue for start, end, _category in turn.personal)
    return list(dict.fromkeys(digits for digits in found if len(digits) >= MOST_CLEAR))


def _event(text: str, turn: Turn, number: int, at: float, *, final: bool) -> TranscriptEvent:
    raw, reading = raw_and_reading(text)
    said = [char for char in text if char not in "，。？！ "]
    words = tuple(
        Word(
            text=char,
            start=int((at + SYLLABLE_S * index) * SAMPLE_RATE),
            end=int((at + SYLLABLE_S * (index + 1)) * SAMPLE_RATE),
            confidence=0.9,
        )
        for index, char in enumerate(said if final else ())
    )
    channel = int(turn.role == "agent")
    return TranscriptEvent(
        utterance_id=str(number), revision=0, channel=channel, role=Role.AGENT if channel else Role.CUSTOMER,
        final=final, start=int(at * SAMPLE_RATE), end=int((at + SYLLABLE_S * len(said)) * SAMPLE_RATE),
        stability=1.0, text=reading, raw_text=raw, words=words, spans=language_spans(raw), confidence=0.9,
        verbatim=text,
    )  # fmt: skip


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    ordered = list(values)
    return {
        name: round(quantile(ordered, share) or 0.0, 1)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
    }
