"""Emotion and alerts in their wire form."""

from __future__ import annotations

from pipeline.alerts.record import FALSE_ALARM, AlertRecord
from pipeline.calls.events import AlertEvent, AlertReason, AlertState, EmotionEvent, ReasonKind, Severity
from pipeline.rpc.convert import ROLES_OUT, milliseconds
from yuetone.v1 import assist_pb2 as pb
from yuetone.v1 import supervisor_service_pb2
from yuetone.v1.call_service_pb2 import StreamCallResponse

_STATES = {
    AlertState.RAISED: pb.Alert.STATE_RAISED,
    AlertState.ESCALATED: pb.Alert.STATE_ESCALATED,
    AlertState.CALMED: pb.Alert.STATE_CALMED,
    AlertState.ACKNOWLEDGED: pb.Alert.STATE_ACKNOWLEDGED,
    AlertState.EXPIRED: pb.Alert.STATE_EXPIRED,
}
_REASONS = {kind: pb.AlertReason.Kind.Value(f"KIND_{kind.name}") for kind in ReasonKind}
SEVERITIES_OUT = {
    Severity.INFO: pb.Alert.SEVERITY_INFO,
    Severity.WARNING: pb.Alert.SEVERITY_WARNING,
    Severity.CRITICAL: pb.Alert.SEVERITY_CRITICAL,
}


def put(event: EmotionEvent | AlertEvent, message: StreamCallResponse) -> None:
    """Fill in the event of a message."""
    if isinstance(event, EmotionEvent):
        message.emotion.CopyFrom(emotion(event))
    else:
        message.alert.CopyFrom(alert(event))


def emotion(event: EmotionEvent) -> pb.Emotion:
    """Return how something was said."""
    point = event.agitation
    return pb.Emotion(
        utterance_id=event.utterance_id,
        channel=event.channel,
        role=ROLES_OUT[event.role],
        start_ms=milliseconds(event.start),
        end_ms=milliseconds(event.end),
        arousal=event.arousal,
        valence=event.valence,
        probabilities=dict(event.probabilities),
        quality=event.quality,
        agitation=point.value if point else None,
        shares=pb.AgitationShares(voice=point.voice, words=point.words, behaviour=point.behaviour)
        if point
        else None,
        supported=bool(point and point.supported),
    )


def alert(event: AlertEvent) -> pb.Alert:
    """Return an alert."""
    return pb.Alert(
        alert_id=event.alert_id,
        rule=event.rule,
        severity=SEVERITIES_OUT[event.severity],
        state=_STATES[event.state],
        start_ms=milliseconds(event.start),
        end_ms=milliseconds(event.end),
        evidence=event.evidence,
        agitation=event.agitation,
        channel=event.channel,
        curve=[pb.AgitationPoint(at_ms=milliseconds(at), value=value) for at, value in event.curve],
        taken_by=event.taken_by,
        reasons=[reason_message(reason) for reason in event.reasons],
    )


def reason_message(reason: AlertReason) -> pb.AlertReason:
    """Return one reason for an alert."""
    return pb.AlertReason(kind=_REASONS[reason.kind], text=reason.text, value=reason.value)


def watched(
    record: AlertRecord, cursor: str, *, with_note: bool
) -> supervisor_service_pb2.WatchAlertsResponse:
    """Return an alert for those who watch; ``with_note``: whether they may read a supervisor's note."""
    call = record.call
    return supervisor_service_pb2.WatchAlertsResponse(
        call_id=call.call_id,
        alert=alert(record.event),
        cursor=cursor,
        at_unix_ms=int(record.at * 1000),
        tenant=call.tenant,
        queue=call.queue,
        agent_id=call.agent_id,
        team=call.team,
        false_alarm=record.verdict == FALSE_ALARM,
        note=record.note if with_note else None,
    )
