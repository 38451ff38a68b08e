"""Each serving benchmark once, briefly and for real; and the judgements they make."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.facts import command_line, spread
from benchmarks.serving import report
from benchmarks.serving.capacity import largest
from benchmarks.serving.figures import Limits
from benchmarks.serving.peers.systems import as_record
from benchmarks.serving.record import StreamRecord, Update
from benchmarks.serving.soak import looped, slope, verdict
from benchmarks.serving.speech import Said, Speech, demo_speech

ROOT = Path(__file__).resolve().parents[2]
SAID = (Said(start_ms=1000, end_ms=2000, text="我想查詢"),)


def started(name: str, out: Path) -> subprocess.Popen[str]:
    """Start ``python -m benchmarks NAME --smoke`` as a tester does."""
    command = [sys.executable, "-m", "benchmarks", name, "--smoke", "--out", str(out)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ended(name: str, process: subprocess.Popen[str], out: Path) -> dict[str, Any]:
    """Wait for a benchmark; return its result."""
    _out, told = process.communicate(timeout=240)
    assert process.returncode == 0, told[-2000:]
    result = json.loads((out / f"{name}.json").read_text("utf-8"))
    assert result["benchmark"] == name
    assert result["environment"]["versions"]["ctranslate2"]
    assert result["command"].startswith(f"python -m benchmarks {name} --smoke")
    assert str(out) not in result["command"]  # a recorded command names no machine's folders
    return dict(result)


def test_the_recorded_command_leaves_out_where_the_result_went() -> None:
    asked = ["--streams", "1", "8", "--out", "/somewhere", "--seconds", "9"]
    assert command_line("latency", asked) == "python -m benchmarks latency --streams 1 8 --seconds 9"
    assert command_line("soak", ["--out=/somewhere", "--minutes", "3"]) == (
        "python -m benchmarks soak --minutes 3"
    )


@pytest.mark.model
def test_smoke_runs_of_what_is_measured_in_real_time(tmp_path: Path) -> None:
    """All at once: each of them waits for speech nearly all of its time."""
    running = {name: started(name, tmp_path) for name in JUDGES}
    try:
        for name, process in running.items():
            JUDGES[name](ended(name, process, tmp_path))
    finally:
        for process in running.values():
            process.kill()


def judge_latency(result: dict[str, Any]) -> None:
    runs = result["runs"]
    assert [r["streams"] for r in runs] == [1, 2]
    for told in runs:
        assert told["failed"] == 0
        assert told["final_latency"]["n"] == 2 * told["streams"]
        assert 0.1 < told["final_latency"]["p50_ms"] / 1000 < 5.0
        assert told["cer"] < 0.2
        assert told["cpu_s_per_stream_s"] > 0


def judge_capacity(result: dict[str, Any]) -> None:
    assert {r["streams"] for r in result["runs"]} <= {1, 2}
    assert result["streams_per_core"] in (0, 1, 2)


def judge_stages(result: dict[str, Any]) -> None:
    assert (
        result["ms_per_speech_second"]["log-mel"] > 0
    )  # the others are differences: two sentences are noise
    assert all(value > 0 for value in result["ms_per_stream_second"].values())
    assert result["floor_ms_per_stream_second"] > 0
    told = result["server_ms_per_stream_second"] / result["floor_ms_per_stream_second"]
    assert result["times_the_floor"] == pytest.approx(told, abs=0.02)


@pytest.mark.model
def test_accuracy_smoke(tmp_path: Path) -> None:
    result = ended("accuracy", started("accuracy", tmp_path), tmp_path)
    assert result["bundled call by role"]["agent"]["cer_raw"] < 0.2
    assert set(result["partials"]) == {"decoder", "ctc"}
    assert result["partials"]["ctc"]["cer_of_the_last_partial"] < 0.4


def judge_soak(result: dict[str, Any]) -> None:
    assert result["failed"] == 0
    assert len(result["samples"]) >= 5
    assert set(result["slopes"]) == {"resident_mib", "threads", "handles", "final_ms"}


JUDGES = {
    "latency": judge_latency, "capacity": judge_capacity, "stages": judge_stages, "soak": judge_soak,
}  # fmt: skip


def test_the_report_shows_every_recorded_result(tmp_path: Path) -> None:
    recorded = ROOT / "benchmarks" / "results"
    text = report.write(recorded, tmp_path).read_text("utf-8")
    for name, title, _section in report.SECTIONS:
        assert (f"## {title}\n" in text) == (recorded / f"{name}.json").is_file()
    assert (tmp_path / "results" / "capacity.png").stat().st_size > 1000


def test_peers_without_their_environment_say_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "peers", "--smoke", "--peers", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "--set-up" in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- judgements


def record(*updates: Update) -> StreamRecord:
    """A stream that was sent in 20 ms pieces, each at its own time."""
    return StreamRecord(
        said=SAID, sent=[(ms, ms / 1000) for ms in range(20, 4001, 20)], updates=list(updates)
    )


def test_latencies_are_from_sending_to_covering() -> None:
    told = record(
        Update(at=1.7, covers_ms=1500, final=False, text="我想", key="u"),
        Update(at=2.3, covers_ms=2100, final=True, text="我想查詢", key="u"),
    )
    assert told.final_latencies() == [pytest.approx(0.3)]
    assert told.first_partials() == [pytest.approx(0.7)]
    ages = told.partial_ages()
    assert len(ages) == 50
    assert max(ages) == pytest.approx(2.3 - 1.54, abs=0.021), "the oldest sample that the first text left out"
    assert told.changed_characters() == (0, 4)


def test_what_never_comes_is_infinite_and_breaks_every_limit() -> None:
    told = record(Update(at=1.7, covers_ms=1500, final=False))
    assert told.final_latencies() == [math.inf]
    assert spread(told.final_latencies()) == {
        "n": 1, "p50_ms": None, "p95_ms": None, "p99_ms": None, "never": 1,
    }  # fmt: skip


def test_changed_characters_count_what_was_shown_and_taken_back() -> None:
    told = record(
        Update(at=1, covers_ms=1, final=False, text="我想差", key="u"),
        Update(at=2, covers_ms=2, final=False, text="我想查詢", key="u"),
        Update(at=3, covers_ms=3, final=True, text="我要查詢", key="u"),
    )
    assert told.changed_characters() == (1 + 3, 4)


async def test_the_search_finds_the_largest_number_that_keeps_the_limits() -> None:
    tried = []

    async def attempt(streams: int) -> dict[str, Any]:
        tried.append(streams)
        late = 400 if streams <= 37 else 4000
        return {
            "streams": streams,
            "failed": 0,
            "final_latency": {"p95_ms": late},
            "partial_age": {"p95_ms": 9},
        }

    good, runs = await largest(16, 512, Limits(), attempt)
    assert 34 <= good <= 37
    assert len(runs) == len(tried) == len(set(tried))
    nothing, _runs = await largest(64, 512, Limits(final_s=0.1), attempt)
    assert nothing == 0


def test_a_peer_gets_the_benefit_of_the_doubt() -> None:
    speech = Speech(pcm=np.zeros(64_000, np.int16), said=SAID)
    told = {
        "failed": "", "late_s": 0.0, "sent": [[ms, ms / 1000] for ms in range(20, 4001, 20)],
        "updates": [[1.5, "", "我", 0, None], [2.6, "", "我想查詢", 0, None]],
    }  # fmt: skip
    seen = as_record(told, speech, solo_s=0.4)
    assert seen.updates[1].covers_ms == 2200, (
        "what was sent 0.4 s before the update came, the previous one being older"
    )
    assert seen.covered_latencies() == [pytest.approx(0.6)]
    assert seen.transcript() == "我想查詢"


def test_soak_fails_on_a_slope_and_not_on_noise() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0, 1200, 5.0)
    level = 300 + rng.normal(0, 2, len(times))
    flat, growing = slope(list(times), list(level)), slope(list(times), list(level + times / 60))
    quiet = {name: slope(list(times), [0.0] * len(times)) for name in ("threads", "handles", "final_ms")}
    assert verdict({"resident_mib": flat, **quiet}) == []
    assert verdict({"resident_mib": growing, **quiet}) == ["resident_mib"], "60 MiB an hour"
    assert growing["per_hour"] == pytest.approx(60, rel=0.2)


def test_looped_speech_keeps_its_words_where_they_are() -> None:
    speech = demo_speech()
    twice = looped(speech, speech.seconds * 1.5)
    assert len(twice.pcm) == 2 * len(speech.pcm)
    assert len(twice.said) == 2 * len(speech.said)
    assert twice.said[-1].end_ms == pytest.approx(speech.said[-1].end_ms + speech.seconds * 1000, abs=1)
