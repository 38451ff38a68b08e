"""What the benchmark measures with."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.diarization.baseline import energy_and_pitch
from benchmarks.diarization.calls import TrueCall, levelled
from benchmarks.diarization.live import LiveFigures
from diarization import SpeakerTurn
from pipeline.analysis.speakers import Change, LiveTurns
from tests.diarization.test_models import mono_demo, truth

RATE = 16_000


def turn(speaker: str, start: float, end: float) -> SpeakerTurn:
    return SpeakerTurn(speaker=speaker, start=int(start * RATE), end=int(end * RATE))


def test_error_rates_are_those_of_pyannote_metrics() -> None:
    pytest.importorskip("pyannote.metrics")
    from benchmarks.diarization.errors import ErrorRates  # noqa: PLC0415

    rates = ErrorRates()
    rates.add([turn("a", 0, 10), turn("b", 10, 20)], [turn("x", 0, 10), turn("y", 10, 15)], 20)
    found = rates.figures()
    assert found["collar_0_ms"] == {"der": 0.25, "missed": 0.25, "false_alarm": 0.0, "confusion": 0.0}
    assert found["collar_250_ms"]["missed"] < 0.25 + 0.02


def test_the_baseline_finds_speech_in_two_groups() -> None:
    found = energy_and_pitch(mono_demo())
    assert {turn.speaker for turn in found} == {"A1", "A2"}
    speech = sum(end - start for _role, start, end in truth())
    assert sum(turn.end - turn.start for turn in found) > 0.5 * speech
    assert energy_and_pitch(np.zeros(RATE, np.float32)) == []


def test_live_figures_count_words_delays_and_switches() -> None:
    call = TrueCall(
        name="x", pcm=np.zeros(90 * RATE, np.float32), truth=[turn("a", 0, 40), turn("b", 40, 80)]
    )
    told = LiveTurns(
        turns=[turn("A1", 0, 40), turn("A2", 40, 80)],
        changes=[
            Change(at=41 * RATE, turns={0: (turn("A1", 0, 40),)}, seconds=0.1),
            Change(at=81 * RATE, turns={40: (turn("A1", 40, 80),)}, seconds=0.1),
            Change(at=82 * RATE, turns={40: (turn("A2", 40, 80),)}, seconds=0.1),
        ],
    )
    figures = LiveFigures()
    figures.add(call, told)
    found = figures.figures()
    assert found["words_with_the_right_speaker"] == 1.0
    assert found["switches_a_minute_after_30_s"] == 1.0
    assert found["first_label_after_s_p50_p95"][0] == pytest.approx(1.1, abs=0.01)


def test_levels_are_those_of_a_call() -> None:
    assert np.sqrt(np.mean(levelled(np.full(RATE, 0.4, np.float32)) ** 2)) == pytest.approx(0.05, rel=0.01)
