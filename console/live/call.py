"""One call as rows of a topic: what is said now, what was said, suggestions, alerts, agitation. Pure."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Any

import client
from console.live.calls import SEVERITIES
from console.live.reasons import reasons_of
from console.live.topic import Topic
from yuetone.v1 import assist_pb2, audio_pb2, call_service_pb2, speakers_pb2, transcript_pb2

CURVE = 240
"""Points of the agitation curve that are kept."""
MOST_FINALS = 3_000
"""Finals that can still be corrected; of a call of four hours."""
_KINDS = {
    call_service_pb2.TimelineMark.KIND_PAUSE: "pause",
    call_service_pb2.TimelineMark.KIND_RESUME: "resume",
    call_service_pb2.TimelineMark.KIND_DTMF: "key",
    call_service_pb2.TimelineMark.KIND_GAP: "gap",
}
_PAUSES = {
    audio_pb2.PAUSE_REASON_HOLD: "hold",
    audio_pb2.PAUSE_REASON_PCI: "pci",
    audio_pb2.PAUSE_REASON_IVR: "ivr",
}
_STATES = {
    assist_pb2.Alert.STATE_RAISED: "raised",
    assist_pb2.Alert.STATE_ESCALATED: "escalated",
    assist_pb2.Alert.STATE_CALMED: "calmed",
    assist_pb2.Alert.STATE_ACKNOWLEDGED: "taken",
    assist_pb2.Alert.STATE_EXPIRED: "expired",
}
_REASONS = {
    assist_pb2.Suggestion.REASON_REPLACED: "replaced",
    assist_pb2.Suggestion.REASON_SAID: "said",
    assist_pb2.Suggestion.REASON_REJECTED: "rejected",
}


class CallRows:
    """Folds the events of one call into rows.

    Args:
        topic: that they are written to.
    """

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._finals: dict[str, dict[str, Any]] = {}  # bounded by MOST_FINALS
        self._curve: list[tuple[int, float]] = []  # bounded by CURVE
        self._call: dict[str, Any] = {"k": "state", "phase": "live", "lag": 0, "late": False, "missed": 0}
        self.ended = False
        self._work: dict[str, Callable[[Any], None]] = {
            "transcript": self._transcript,
            "redaction": self._redaction,
            "attribution": self._attribution,
            "emotion": self._emotion,
            "suggestion": self._suggestion,
            "alert": self._alert,
            "mark": self._mark,
            "health": lambda health: self._state(lag=health.lag_ms // 1000, late=health.overloaded),
            "warning": lambda warning: self._state(warning=warning.code),
            "ended": self._end,
            "error": lambda _error: self._state(phase="ended", reason="error"),
        }

    def take(self, event: call_service_pb2.StreamCallResponse, missed: int = 0) -> None:
        """Take an event.

        Args:
            event: of the call.
            missed: events that were left out before it.
        """
        if missed:
            self._state(missed=self._call["missed"] + missed)
        kind = event.WhichOneof("event")
        work = self._work.get(kind or "")
        if work is not None:
            work(getattr(event, str(kind)))

    def status(self, phase: str) -> None:
        """Tell how the line to the server is: live, lost, or gone."""
        if not self.ended:
            self._state(phase=phase)

    def _state(self, **changes: object) -> None:
        self._call.update(changes)
        self._topic.put("state", self._call)

    def _transcript(self, said: transcript_pb2.Transcript) -> None:
        live = f"p:{said.channel}"
        if not said.is_final:
            stable = int(len(said.text) * said.stability)
            row = {
                "k": "partial",
                "ch": said.channel,
                "role": client.role_name(said.role),
                "text": said.text,
                "stable": stable,
            }
            self._topic.put(live, row)
            return
        self._topic.drop(live)
        if not said.text:
            return
        self._final(
            said.utterance_id,
            {
                "k": "final",
                "ch": said.channel,
                "role": client.role_name(said.role),
                "speaker": said.speaker,
                "start": said.start_ms,
                "end": said.end_ms,
                "text": said.text,
                "lang": _languages(said.language_spans),
                "hidden": bool(said.masks),
            },
        )

    def _final(self, utterance: str, row: dict[str, Any]) -> None:
        self._finals[utterance] = row
        if len(self._finals) > MOST_FINALS:
            del self._finals[next(iter(self._finals))]
        self._topic.put(f"u:{utterance}", row)

    def _redaction(self, changed: transcript_pb2.Redaction) -> None:
        before = self._finals.get(changed.utterance_id)
        if before is not None:
            self._final(changed.utterance_id, {**before, "text": changed.text, "hidden": bool(changed.masks)})

    def _attribution(self, told: speakers_pb2.Attribution) -> None:
        before = self._finals.get(told.utterance_id)
        if before is not None:
            self._final(told.utterance_id, {**before, "role": client.role_name(told.role)})

    def _end(self, ended: call_service_pb2.Ended) -> None:
        self.ended = True
        self._state(phase="ended", reason=ended.reason, audio=ended.audio_ms)

    def _emotion(self, felt: assist_pb2.Emotion) -> None:
        if not felt.HasField("agitation"):
            return
        self._point(felt.end_ms, round(felt.agitation, 2))
        before = self._finals.get(felt.utterance_id) if felt.HasField("utterance_id") else None
        if before is not None and felt.utterance_id is not None:
            self._final(felt.utterance_id, {**before, "agitation": round(felt.agitation, 2)})
        self._topic.put("curve", {"k": "curve", "points": self._curve})

    def _point(self, at: int, value: float) -> None:
        """Add a point of the curve; one that comes late goes to its place."""
        insort(self._curve, (at, value))
        if len(self._curve) > CURVE:
            del self._curve[0]

    def _suggestion(self, offered: assist_pb2.Suggestion) -> None:
        self._topic.put(
            f"s:{offered.suggestion_id}",
            {
                "k": "suggestion",
                "id": offered.suggestion_id,
                "utterance": offered.utterance_id,
                "lang": offered.language,
                "text": offered.text,
                "wordings": dict(offered.wordings),
                "confidence": round(offered.confidence, 2),
                "rank": offered.rank,
                "shown": offered.state == assist_pb2.Suggestion.STATE_PROPOSED,
                "reason": _REASONS.get(offered.reason, ""),
                "by": offered.written_by,
                "sources": [
                    {"id": one.article_id, "title": one.title, "uri": one.uri, "place": one.place}
                    for one in offered.sources
                ],
            },
        )

    def _alert(self, alert: assist_pb2.Alert) -> None:
        self._topic.put(
            f"a:{alert.alert_id}",
            {
                "k": "alert",
                "id": alert.alert_id,
                "rule": alert.rule,
                "severity": SEVERITIES.get(alert.severity, ""),
                "state": _STATES.get(alert.state, ""),
                "evidence": alert.evidence,
                "reasons": reasons_of(alert),
                "ch": alert.channel,
                "start": alert.start_ms,
                "end": alert.end_ms,
                "taken": alert.taken_by,
            },
        )

    def _mark(self, mark: call_service_pb2.TimelineMark) -> None:
        kind = _KINDS.get(mark.kind, "")
        if kind in ("pause", "resume"):
            self._state(hold=_PAUSES.get(mark.reason, "hold") if kind == "pause" else "")
        if kind in ("pause", "resume", "gap"):
            self._topic.put(f"m:{mark.at_ms}:{kind}", {"k": "mark", "kind": kind, "start": mark.at_ms})


def _languages(spans: Iterable[transcript_pb2.LanguageSpan]) -> str:
    """Return en where English alone was spoken."""
    found = {span.language for span in spans}
    return "en" if found == {"en"} else "zh"
