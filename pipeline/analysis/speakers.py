"""Who speaks in a recording, through the same cores as in a live call: detector, segmenter, tracker.

A live call differs in one thing: its recogniser may keep an utterance open that stops in mid-sentence, so
that two utterances here can be one there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diarization import SpeakerTurn
from diarization.tracker import Voices
from diarization.turns import letter, merge_turns
from pipeline.calls.info import SAMPLE_RATE
from vad import VadEngine
from vad.endpointer import Endpointer, EndpointerSettings, SpeechEnded

Pcm = NDArray[np.float32]

BLOCK = SAMPLE_RATE // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Labels that a live call would have told at a moment.

    Attributes:
        at: sample that had been heard when the utterance was closed.
        turns: by first sample of the utterance, as told from here on.
        seconds: that the models took.
    """

    at: int
    turns: dict[int, tuple[SpeakerTurn, ...]]
    seconds: float


@dataclass(slots=True, kw_only=True)
class LiveTurns:
    """What was told in the end, and on the way.

    Attributes:
        turns: at the end, by start.
        changes: in the order in which they were told.
    """

    turns: list[SpeakerTurn] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


def live_turns(
    pcm: Pcm,
    voices: Voices,
    vad: VadEngine,
    cuts: EndpointerSettings,
    *,
    channel: int = 0,
    mixed: bool = True,
    heard: Callable[[float], None] = lambda _samples: None,
) -> LiveTurns:
    """Return what a live call would have said about one channel.

    Args:
        pcm: float32 mono at 16 kHz, shape (n,).
        voices: tells them apart.
        vad: the voice detector.
        cuts: how utterances are cut.
        channel: index, for the labels.
        mixed: several people share the channel.
        heard: told how many samples were done, for progress.
    """
    tracker = voices.tracker(letter(channel))
    tracker.usual(2 if mixed else 1)
    told: dict[int, tuple[SpeakerTurn, ...]] = {}
    found = LiveTurns()
    for at, ended in utterances(pcm, vad, cuts, heard):
        origin = max(0, ended.start - tracker.context)
        begun = time.perf_counter()
        end = min(ended.end, len(pcm))
        changed = tracker.utterance(ended.start, pcm[origin:end], origin, ended.start, end)
        found.changes.append(Change(at=at, turns=changed, seconds=time.perf_counter() - begun))
        told |= changed
    found.turns = merge_turns(turn for turns in told.values() for turn in turns)
    return found


def utterances(
    pcm: Pcm, vad: VadEngine, cuts: EndpointerSettings, heard: Callable[[float], None] = lambda _samples: None
) -> Iterator[tuple[int, SpeechEnded]]:
    """Yield each utterance, and the sample that had been heard when it was closed."""
    stream, segmenter = vad.stream(), Endpointer(cuts)
    for start in range(0, len(pcm), BLOCK):
        block = pcm[start : start + BLOCK]
        events = [event for chance in stream.accept(block) for event in segmenter.accept(chance)]
        if start + BLOCK >= len(pcm):
            events += segmenter.flush()
        for event in events:
            if isinstance(event, SpeechEnded):
                yield min(len(pcm), start + len(block)), event
        heard(len(block))
