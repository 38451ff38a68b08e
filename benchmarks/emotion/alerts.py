"""Alerts on generated calls: how many angry customers are noticed, how late, and how often calm ones are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.emotion.calls import KINDS, RATE, GeneratedCall, generate, read_voices
from diarization import Role
from emotion import AgitationSettings, EmotionEngine
from emotion.words import load_lexicon
from pipeline.alerts.rules import Rule, load_rules
from pipeline.analysis.call import Tools, analyse
from pipeline.analysis.report import CallReport
from pipeline.calls.events import AlertState
from vad import VadEngine
from vad.endpointer import EndpointerSettings

ROLES = (Role.CUSTOMER, Role.AGENT)
GRACE_S = 15.0
"""After the last angry word, within which an alert still belongs to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the rules made of one call; times in s.

    Attributes:
        kind: of the call.
        hours: length.
        delay: from the customer turning angry to the first alert; None if there was none, or no anger.
        angry: whether there was anger.
        false: alerts about the customer's mood while there was none.
        highest: of the agitation curve.
        voice: the figure of the file, voice alone.
    """

    kind: str
    hours: float
    delay: float | None
    angry: bool
    false: int
    highest: float
    voice: float | None


def calls(data: Path, count: int, seed: int, share: Callable[[int, int], bool]) -> list[GeneratedCall]:
    """Return ``count`` calls of each kind, spoken by the customers that ``share`` picks by index."""
    voices = read_voices(data)
    names = sorted(voices.customers)
    chosen = [name for index, name in enumerate(names) if share(index, len(names))]
    rng = np.random.default_rng(seed)
    return [generate(voices, kind, rng, chosen) for kind in KINDS for _ in range(count)]


def mood_rules(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules about a customer's mood: dead air and agents are another matter."""
    return tuple(rule for rule in rules if getattr(rule, "role", "") == "customer")


def run_rules(
    call: GeneratedCall, engine: EmotionEngine, vad: VadEngine, agitation: AgitationSettings,
    rules: Sequence[Rule] | None = None, *, words: bool = True,
) -> tuple[Outcome, CallReport]:  # fmt: skip
    """Analyse one call and judge its alerts."""
    tools = Tools(
        engine=engine,
        vad=vad,
        cuts=EndpointerSettings(),
        lexicon=load_lexicon(),
        agitation=agitation,
        rules=mood_rules(load_rules()) if rules is None else rules,
        recognise=(lambda channel, start, pcm: call.text(channel, start, len(pcm))) if words else None,
    )
    report = analyse(call.channels, ROLES, tools)
    return judge(call, report), report


def judge(call: GeneratedCall, report: CallReport) -> Outcome:
    """Compare a report with what is known of the call."""
    raised = [alert.end / RATE for alert in report.alerts if alert.state is AlertState.RAISED]
    start, end = (call.angry[0] / RATE, call.angry[1] / RATE + GRACE_S) if call.angry else (1e9, 1e9)
    right = [at for at in raised if start <= at <= end]
    curve = report.channels[0].curve
    windows = report.channels[0].windows
    scores = [window.reading.score for window in windows if window.reading.quality > 0]
    return Outcome(
        kind=call.kind,
        hours=len(call.channels[0]) / RATE / 3600,
        delay=right[0] - start if right else None,
        angry=call.angry is not None,
        false=len(raised) - len(right),
        highest=max((point.value for point in curve), default=0.0),
        voice=float(np.mean(np.array(scores) > 0.5)) if scores else None,
    )


def table(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return recall, delay and false alarms by kind of call."""
    rows: dict[str, Any] = {}
    groups: dict[str, tuple[str, ...]] = {kind: (kind,) for kind in KINDS}
    groups["all with anger"], groups["all without"] = (
        ("heated", "heated then calmed"),
        ("calm", "loud but happy"),
    )
    for kind, kinds in groups.items():
        found = [outcome for outcome in outcomes if outcome.kind in kinds]
        hours = sum(outcome.hours for outcome in found)
        rows[kind] = {
            "calls": len(found),
            "hours": round(hours, 3),
            "false_alerts": sum(outcome.false for outcome in found),
            "false_alerts_per_hour": round(sum(outcome.false for outcome in found) / max(hours, 1e-9), 3),
            "highest_agitation_p50": round(float(np.median([o.highest for o in found])), 3),
            "windows_above_threshold": round(float(np.mean([o.voice or 0.0 for o in found])), 3),
        }
        if any(outcome.angry for outcome in found):
            delays = [outcome.delay for outcome in found if outcome.delay is not None]
            rows[kind]["recall"] = round(len(delays) / len(found), 4)
            p50, p95 = np.percentile(delays, [50, 95]) if delays else (None, None)
            rows[kind]["delay_s_p50"], rows[kind]["delay_s_p95"] = _round(p50), _round(p95)
    return rows


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2)
