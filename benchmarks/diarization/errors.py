"""Diarization error rates by pyannote.metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diarization import SpeakerTurn
from pipeline.calls.info import SAMPLE_RATE


def annotation(turns: Sequence[SpeakerTurn]) -> Any:
    """Return turns as pyannote.core has them."""
    from pyannote.core import Annotation, Segment  # noqa: PLC0415 (comes with the extra)

    made = Annotation()
    for number, turn in enumerate(turns):
        made[Segment(turn.start / SAMPLE_RATE, turn.end / SAMPLE_RATE), number] = turn.speaker
    return made


class ErrorRates:
    """Collects errors over calls, with a collar of 0 and of 250 ms to each side; overlap is scored."""

    def __init__(self) -> None:
        from pyannote.metrics.diarization import DiarizationErrorRate  # noqa: PLC0415 (comes with the extra)

        # The collar of pyannote.metrics is the whole width around a boundary.
        self._metrics = {"0": DiarizationErrorRate(collar=0.0), "250": DiarizationErrorRate(collar=0.5)}
        self.single: list[float] = []

    def add(self, truth: Sequence[SpeakerTurn], found: Sequence[SpeakerTurn], seconds: float) -> None:
        """Count a call of ``seconds``."""
        from pyannote.core import Segment, Timeline  # noqa: PLC0415 (comes with the extra)

        whole = Timeline([Segment(0, seconds)])
        for name, metric in self._metrics.items():
            rate = metric(annotation(truth), annotation(found), uem=whole)
            if name == "250":
                self.single.append(float(rate))

    def figures(self) -> dict[str, Any]:
        """Return error rates and their parts, by collar in ms."""
        found: dict[str, Any] = {}
        for name, metric in self._metrics.items():
            total = metric["total"] or 1.0
            found[f"collar_{name}_ms"] = {
                "der": round(abs(metric), 4),
                "missed": round(metric["missed detection"] / total, 4),
                "false_alarm": round(metric["false alarm"] / total, 4),
                "confusion": round(metric["confusion"] / total, 4),
            }
        return found
