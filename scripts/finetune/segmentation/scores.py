"""Diarization error of whole calls with a segmentation, an embedding and clustering factors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from diarization.base import SAMPLE_RATE, SpeakerTurn
from diarization.directory import BUNDLED_SPEAKER
from diarization.local import LocalSpeaker
from diarization.onnx import OnnxEmbedder, OnnxSegmentation
from diarization.tracker import SpeakerTracker, TrackerSettings, tracker_settings
from diarization.turns import merge_turns
from scripts.finetune.segmentation.training import Call, annotation
from vad.endpointer import Endpointer, EndpointerSettings, SpeechEnded
from vad.gated import GatedVad

COLLAR_S = 0.5
"""Collar as pyannote.metrics counts it: the whole width around a boundary, 250 ms to each side."""
BLOCK = SAMPLE_RATE // 2
EXPECTED, UNEXPECTED = (0.6, 0.7, 0.8, 0.9, 1.0), (1.3, 1.6, 2.0, 2.5)
"""Factors that are tried."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listened:
    """A call, heard by the models; only clustering is left.

    Attributes:
        truth: who speaks when.
        seconds: length.
        windows: end and local speakers of each utterance, by its start.
    """

    truth: Annotation
    seconds: float
    windows: Mapping[int, tuple[int, Sequence[Sequence[LocalSpeaker]]]]


class Listener:
    """Hears calls with one pair of models.

    Args:
        segmentation: directory.
        speaker: embedding directory.
    """

    def __init__(self, segmentation: Path, speaker: Path = BUNDLED_SPEAKER) -> None:
        self._segmenter, self._embedder = OnnxSegmentation(segmentation), OnnxEmbedder(speaker)
        self._vad = GatedVad(1)
        self.settings = tracker_settings(self._embedder, self._segmenter)

    def listen(self, call: Call) -> Listened:
        """Hear a call once; clustering can then be tried with many settings."""
        pcm = call.pcm.astype(np.float32) / np.float32(32768)
        tracker, windows = self._tracker(self.settings), {}
        for ended in self._utterances(pcm):
            end, origin = min(ended.end, len(pcm)), max(0, ended.start - tracker.context)
            start = max(origin, tracker.reach(ended.start))
            windows[ended.start] = end, tracker.listen(pcm[origin:end], origin, start, end)
            tracker.add(ended.start, (), end)
        return Listened(truth=annotation(call), seconds=len(pcm) / SAMPLE_RATE, windows=windows)

    def turns(self, heard: Listened, settings: TrackerSettings) -> list[SpeakerTurn]:
        """Return who speaks when at the end of the call."""
        tracker = self._tracker(settings)
        told: dict[int, tuple[SpeakerTurn, ...]] = {}
        for key, (end, windows) in heard.windows.items():
            tracker.add(key, windows, end)
            told |= tracker.settle()
        return merge_turns(turn for turns in told.values() for turn in turns)

    def _tracker(self, settings: TrackerSettings) -> SpeakerTracker:
        return SpeakerTracker(self._segmenter, self._embedder, settings)

    def _utterances(self, pcm: np.ndarray) -> Iterator[SpeechEnded]:
        stream, segmenter = self._vad.stream(), Endpointer(EndpointerSettings())
        for start in range(0, len(pcm), BLOCK):
            events = [
                event
                for chance in stream.accept(pcm[start : start + BLOCK])
                for event in segmenter.accept(chance)
            ]
            yield from (event for event in events if isinstance(event, SpeechEnded))
        yield from (event for event in segmenter.flush() if isinstance(event, SpeechEnded))


def error_rate(listener: Listener, calls: Iterable[Listened], settings: TrackerSettings) -> dict[str, Any]:
    """Return the diarization error rate, overlap scored, 250 ms around boundaries not, and its parts."""
    metric, count = DiarizationErrorRate(collar=COLLAR_S), 0
    for heard in calls:
        count += 1
        found = Annotation()
        for number, turn in enumerate(listener.turns(heard, settings)):
            found[Segment(turn.start / SAMPLE_RATE, turn.end / SAMPLE_RATE), number] = turn.speaker
        metric(heard.truth, found, uem=Timeline([Segment(0, heard.seconds)]))
    total = metric["total"] or 1.0
    parts = {"missed": "missed detection", "false_alarm": "false alarm", "confusion": "confusion"}
    return {
        "calls": count,
        "der": float(abs(metric)),
        **{name: float(metric[key] / total) for name, key in parts.items()},
    }


def best_factors(listener: Listener, calls: Sequence[Listened]) -> tuple[tuple[float, float], float]:
    """Return the clustering factors with the least error on ``calls``, and that error."""
    tried = {}
    for expected in EXPECTED:
        for unexpected in UNEXPECTED:
            clusters = replace(listener.settings.clusters, expected=expected, unexpected=unexpected)
            settings = replace(listener.settings, clusters=clusters)
            tried[expected, unexpected] = float(error_rate(listener, calls, settings)["der"])
    factors = min(tried, key=lambda pair: tried[pair])
    return factors, tried[factors]
