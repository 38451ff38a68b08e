"""Recorded calls in their wire form, and their events as they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipeline.calls.events import AttributionEvent, CallEvent, Envelope, RedactionEvent, TranscriptEvent
from pipeline.record.entries import RecordRow, RecordState
from pipeline.record.erasing import ErasureReceipt
from pipeline.record.reading import numbered_finals
from pipeline.record.summary import CallSummary, Sourced
from pipeline.rpc.convert import DIRECTIONS_OUT, ROLES_OUT, milliseconds
from pipeline.rpc.wrap_ups import glance
from yuetone.v1 import record_service_pb2 as pb

_STATES = {
    RecordState.LIVE: pb.RecordedCall.STATE_LIVE,
    RecordState.CLOSED: pb.RecordedCall.STATE_CLOSED,
    RecordState.INTERRUPTED: pb.RecordedCall.STATE_INTERRUPTED,
}


def recorded_call(row: RecordRow, *, alerts: bool) -> pb.RecordedCall:
    """Return the wire form of a recorded call.

    Args:
        row: of it.
        alerts: whether the reader may know how many there were.
    """
    info = row.info
    message = pb.RecordedCall(
        record_id=row.record_id,
        call_id=info.call_id,
        tenant=info.tenant,
        queue=info.queue,
        team=info.team,
        agent_id=info.agent_id,
        profile=info.profile,
        roles=[ROLES_OUT[role] for role in row.roles],
        state=_STATES[row.state],
        reason=row.reason or "",
        started_at_unix_ms=int(info.started_at * 1000),
        ended_at_unix_ms=None if row.ended_at is None else int(row.ended_at * 1000),
        retention_class=row.retention,
        expires_at_unix_ms=None if row.expires_at is None else int(row.expires_at * 1000),
        held=row.held,
        notice_given=row.notice_given,
        with_sound=row.with_sound,
        audio_ms=milliseconds(row.audio),
        utterances=row.utterances,
        alerts=row.alerts,
        agitation=row.agitation,
        lost=row.lost,
        sample_rate_hz=row.rate,
        wrap_up=None if row.wrapped is None else glance(row.wrapped),
        direction=DIRECTIONS_OUT[row.arrival.direction],
        waited_ms=row.arrival.waited_ms,
        transferred_from=row.arrival.transferred_from,
        transferred_to=row.transferred_to,
        original_until_unix_ms=None if row.original_until is None else int(row.original_until * 1000),
        continues_call_id=info.continues.call_id if info.continues else None,
    )
    if not alerts:
        message.ClearField("alerts")
    return message


def as_it_stands(events: list[Envelope]) -> Iterator[Envelope]:
    """Yield the events of a call with every correction in its final, in place of behind it."""
    finals = numbered_finals(events)
    for envelope in events:
        event: CallEvent = envelope.event
        if isinstance(event, RedactionEvent):
            event = event.final
        if isinstance(event, TranscriptEvent):
            seq, event = finals[event.utterance_id]
            if seq != envelope.server_seq:
                continue
        if not isinstance(event, AttributionEvent):
            yield replace(envelope, event=event)


def summary_message(
    record_id: str,
    found: CallSummary,
    worded: Iterable[tuple[str, list[str]]],
    kept: pb.WrapUp | None,
    *,
    alerts: bool,
) -> pb.GetSummaryResponse:
    """Return the wire form of a summary.

    Args:
        record_id: of the call.
        found: by rules.
        worded: sentences of a language model, each with the utterances that it rests on.
        kept: what its agent keeps of it.
        alerts: as of :func:`recorded_call`.
    """
    return pb.GetSummaryResponse(
        record_id=record_id,
        code=found.code,
        about=map(_sentence, found.about),
        next_steps=map(_sentence, found.next_steps),
        articles=[
            pb.SuggestedArticle(article_id=one.article_id, title=one.title, confidence=one.confidence)
            for one in found.articles
        ],
        alerts=found.alerts if alerts else (),
        wrap_up=kept,
        wording=[pb.WordedSentence(text=text, utterance_ids=names) for text, names in worded],
    )


def _sentence(sentence: Sourced) -> pb.SourcedSentence:
    return pb.SourcedSentence(
        utterance_id=sentence.utterance_id,
        role=ROLES_OUT[sentence.role],
        start_ms=milliseconds(sentence.start),
        text=sentence.text,
    )


def receipt_message(receipt: ErasureReceipt) -> pb.EraseCallsResponse:
    """Return the wire form of a receipt."""
    return pb.EraseCallsResponse(
        erasure_id=receipt.id,
        asked_at_unix_ms=int(receipt.asked_at * 1000),
        erased=receipt.erased,
        waiting=receipt.waiting,
        held=receipt.held,
    )
