"""Events turned from the domain's types into protobuf."""

from __future__ import annotations

from pipeline.calls import events as ev
from pipeline.calls.log import CallLog
from pipeline.rpc import assist, speakers, suggestions
from pipeline.rpc.convert import ROLES_OUT, milliseconds
from pipeline.rpc.requests import PAUSES
from yuetone.v1 import call_service_pb2, transcript_pb2

_PAUSES_OUT = {reason: number for number, reason in PAUSES.items()}
_MARKS_OUT = {
    ev.MarkKind.PAUSE: call_service_pb2.TimelineMark.KIND_PAUSE,
    ev.MarkKind.RESUME: call_service_pb2.TimelineMark.KIND_RESUME,
    ev.MarkKind.DTMF: call_service_pb2.TimelineMark.KIND_DTMF,
    ev.MarkKind.GAP: call_service_pb2.TimelineMark.KIND_GAP,
}


def response(envelope: ev.Envelope, limits: call_service_pb2.Limits) -> call_service_pb2.StreamCallResponse:
    """Return the wire form of an event."""
    message = call_service_pb2.StreamCallResponse(
        call_id=envelope.call_id,
        server_seq=envelope.server_seq,
        acked_audio_ms=milliseconds(envelope.acked),
    )
    event = envelope.event
    match event:
        case ev.Started():
            message.started.CopyFrom(_started(event, limits))
        case ev.SpeechEdge():
            message.speech.CopyFrom(_speech(event))
        case ev.TranscriptEvent():
            message.transcript.CopyFrom(transcript(event))
        case ev.RedactionEvent():
            message.redaction.CopyFrom(_redaction(event))
        case ev.Mark():
            message.mark.CopyFrom(_mark(event))
        case ev.HealthReport():
            message.health.CopyFrom(_health(event))
        case ev.WarningEvent():
            message.warning.CopyFrom(call_service_pb2.Warning(code=event.code, message=event.message))
        case ev.ErrorEvent():
            message.error.CopyFrom(_error(event))
        case ev.Ended():
            message.ended.CopyFrom(_ended(event))
        case _:
            _put_assisting(event, message)
    return message


def _put_assisting(event: ev.CallEvent, message: call_service_pb2.StreamCallResponse) -> None:
    if isinstance(event, ev.EmotionEvent | ev.AlertEvent):
        assist.put(event, message)
    elif isinstance(event, ev.AttributionEvent | ev.SpeakerEvent | ev.ChannelFinding | ev.SecondLookEvent):
        speakers.put(event, message)
    elif isinstance(event, ev.SuggestionEvent):
        message.suggestion.CopyFrom(suggestions.suggestion(event))


def heartbeat(call_id: str, acked: int) -> call_service_pb2.StreamCallResponse:
    """Return what tells that a line is alive.

    Args:
        call_id: of the call.
        acked: samples that are safe.
    """
    return call_service_pb2.StreamCallResponse(
        call_id=call_id, acked_audio_ms=milliseconds(acked), heartbeat=call_service_pb2.Heartbeat()
    )


def with_stored(
    message: call_service_pb2.StreamCallResponse, log: CallLog
) -> call_service_pb2.StreamCallResponse:
    """Put into a message how much of its call is on disk; return it."""
    if log.stored_seq:
        message.stored_server_seq = log.stored_seq
    if log.stored_audio:
        message.stored_audio_ms = milliseconds(log.stored_audio)
    return message


def _started(event: ev.Started, limits: call_service_pb2.Limits) -> call_service_pb2.Started:
    return call_service_pb2.Started(
        session_id=event.session_id,
        language=event.language,
        profile=event.profile,
        model=event.model,
        model_ready=event.model_ready,
        limits=limits,
        resumed=event.resumed,
        received_audio_ms=milliseconds(event.received),
    )


def _speech(event: ev.SpeechEdge) -> transcript_pb2.SpeechEvent:
    edges = transcript_pb2.SpeechEvent
    return edges(
        edge=edges.EDGE_BEGIN if event.begin else edges.EDGE_END,
        channel=event.channel,
        at_ms=milliseconds(event.at),
        utterance_id=event.utterance_id,
    )


def transcript(event: ev.TranscriptEvent) -> transcript_pb2.Transcript:
    """Return the wire form of what was said."""
    return transcript_pb2.Transcript(
        utterance_id=event.utterance_id,
        revision=event.revision,
        channel=event.channel,
        role=ROLES_OUT[event.role],
        speaker=event.speaker,
        is_final=event.final,
        start_ms=milliseconds(event.start),
        end_ms=milliseconds(event.end),
        stability=event.stability,
        text=event.text,
        raw_text=event.raw_text,
        words=speakers.words(event),
        language_spans=_languages(event),
        confidence=event.confidence,
        from_finalize=event.forced,
        masks=_masks(event),
    )


def _redaction(event: ev.RedactionEvent) -> transcript_pb2.Redaction:
    final = event.final
    return transcript_pb2.Redaction(
        utterance_id=final.utterance_id,
        revision=event.revision,
        channel=final.channel,
        text=final.text,
        raw_text=final.raw_text,
        words=speakers.words(final),
        language_spans=_languages(final),
        masks=_masks(final),
    )


def _languages(event: ev.TranscriptEvent) -> list[transcript_pb2.LanguageSpan]:
    return [
        transcript_pb2.LanguageSpan(language=span.language, start=span.start, end=span.end)
        for span in event.spans
    ]


def _masks(event: ev.TranscriptEvent) -> list[transcript_pb2.Mask]:
    return [
        transcript_pb2.Mask(
            category=mask.category.value,
            start=mask.start,
            end=mask.end,
            start_ms=milliseconds(mask.first),
            end_ms=milliseconds(mask.last),
            provisional=mask.provisional,
        )
        for mask in event.masks
    ]


def _mark(event: ev.Mark) -> call_service_pb2.TimelineMark:
    return call_service_pb2.TimelineMark(
        kind=_MARKS_OUT[event.kind],
        at_ms=milliseconds(event.at),
        duration_ms=None if event.duration is None else milliseconds(event.duration),
        reason=None if event.reason is None else _PAUSES_OUT[event.reason],
    )


def _health(event: ev.HealthReport) -> call_service_pb2.Health:
    return call_service_pb2.Health(
        lag_ms=milliseconds(event.lag),
        load=event.load,
        dropped_partials=event.dropped_partials,
        overloaded=event.overloaded,
        received_audio_ms=milliseconds(event.received),
    )


def _error(event: ev.ErrorEvent) -> call_service_pb2.Error:
    return call_service_pb2.Error(
        code=event.code,
        message=event.message,
        retryable=event.retryable,
        retry_after_ms=event.retry_after_ms,
    )


def _ended(event: ev.Ended) -> call_service_pb2.Ended:
    return call_service_pb2.Ended(
        audio_ms=milliseconds(event.audio),
        speech_ms=milliseconds(event.speech),
        utterances=event.utterances,
        gap_ms=milliseconds(event.gap),
        reason=event.reason,
        second_look=event.second_look,
        transferred_to=event.transferred_to,
    )
