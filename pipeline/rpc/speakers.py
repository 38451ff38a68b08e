"""Events about who speaks, on the wire."""

from __future__ import annotations

from diarization import Role
from pipeline.calls import events as ev
from pipeline.rpc.convert import ROLES_OUT, milliseconds
from yuetone.v1 import call_service_pb2, transcript_pb2
from yuetone.v1 import speakers_pb2 as pb

_SOURCES = {
    ev.AttributionSource.LIVE: pb.Attribution.SOURCE_LIVE,
    ev.AttributionSource.SECOND_LOOK: pb.Attribution.SOURCE_SECOND_LOOK,
}
_KINDS = {
    ev.FindingKind.SWAPPED: pb.ChannelFinding.KIND_SWAPPED,
    ev.FindingKind.IDENTICAL: pb.ChannelFinding.KIND_IDENTICAL,
    ev.FindingKind.ECHO: pb.ChannelFinding.KIND_ECHO,
}
_STATES = {
    ev.LookState.WAITING: pb.SecondLook.STATE_WAITING,
    ev.LookState.DONE: pb.SecondLook.STATE_DONE,
    ev.LookState.FAILED: pb.SecondLook.STATE_FAILED,
    ev.LookState.SKIPPED: pb.SecondLook.STATE_SKIPPED,
}


def put(event: ev.SpeakersEvent, message: call_service_pb2.StreamCallResponse) -> None:
    """Put ``event`` into ``message``."""
    match event:
        case ev.AttributionEvent():
            message.attribution.CopyFrom(_attribution(event))
        case ev.SpeakerEvent():
            message.speaker.CopyFrom(_speaker(event))
        case ev.ChannelFinding():
            message.channel_finding.CopyFrom(_finding(event))
        case ev.SecondLookEvent():
            message.second_look.CopyFrom(
                pb.SecondLook(
                    state=_STATES[event.state], changed_utterances=event.changed, reason=event.reason
                )
            )


def _attribution(event: ev.AttributionEvent) -> pb.Attribution:
    return pb.Attribution(
        utterance_id=event.utterance_id,
        revision=event.revision,
        channel=event.channel,
        speaker=event.speaker,
        role=ROLES_OUT[event.role],
        role_confidence=event.role_confidence,
        provisional=event.provisional,
        source=_SOURCES[event.source],
        turns=[
            _turn(turn.speaker, role, turn.start, turn.end, overlapped=turn.overlapped)
            for turn, role in zip(event.turns, event.turn_roles, strict=True)
        ],
        word_speakers=event.word_speakers,
    )


def _turn(speaker: str, role: Role, start: int, end: int, *, overlapped: bool) -> pb.SpeakerTurn:
    return pb.SpeakerTurn(
        speaker=speaker,
        role=ROLES_OUT[role],
        start_ms=milliseconds(start),
        end_ms=milliseconds(end),
        overlapped=overlapped,
    )


def _speaker(event: ev.SpeakerEvent) -> pb.Speaker:
    return pb.Speaker(
        speaker=event.speaker,
        channel=event.channel,
        role=ROLES_OUT[event.role],
        role_confidence=event.role_confidence,
        additional=event.additional,
    )


def _finding(event: ev.ChannelFinding) -> pb.ChannelFinding:
    return pb.ChannelFinding(
        kind=_KINDS[event.kind],
        channel=event.channel,
        corrected=event.corrected,
        delay_ms=None if event.delay is None else milliseconds(event.delay),
        gain_db=event.gain_db,
    )


def words(event: ev.TranscriptEvent) -> list[transcript_pb2.Word]:
    """Return the words of a final, each with its speaker."""
    known = event.word_speakers or ("",) * len(event.words)
    return [
        transcript_pb2.Word(
            text=word.text,
            start_ms=milliseconds(word.start),
            end_ms=milliseconds(word.end),
            confidence=word.confidence,
            speaker=speaker or None,
        )
        for word, speaker in zip(event.words, known, strict=True)
    ]
