"""What a node that takes a call over begins with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.calls.events import CallEvent, RedactionEvent, TranscriptEvent
from pipeline.calls.info import SAMPLE_RATE, CallPart, CallSpec, SaidBefore
from pipeline.cluster.rows import TakenCall
from pipeline.cluster.store import next_part

AS_BEGUN = ("queue", "team", "agent_id", "profile", "started_at")
"""What a call keeps of its first StartCall, whatever a resumed one says."""
REMEMBERED = 90 * SAMPLE_RATE
"""Samples before a part of which the guard is told what was said: more than three times as long as a question
waits for its answer."""


def next_part_of(taken: TakenCall, told: Sequence[CallEvent], channels: int) -> CallPart:
    """Return the part that begins where everything before is safe.

    Args:
        taken: the call.
        told: what was told of it and must not be lost, in order.
        channels: of the call.
    """
    ends = [taken.acked] * channels
    for event in told:
        if isinstance(event, TranscriptEvent) and event.channel < channels:
            ends[event.channel] = max(ends[event.channel], event.end)
    return CallPart(
        uid=taken.uid,
        epoch=taken.epoch,
        origin=taken.acked,
        last_seq=next_part(taken.seq, taken.epoch),
        committed=taken.seq,
        said_until=tuple(end - taken.acked for end in ends),
        in_force=taken.in_force,
        said=_said(told, taken.acked, channels),
    )


def _said(told: Iterable[CallEvent], origin: int, channels: int) -> tuple[SaidBefore, ...]:
    """Return the last of what was said before a part that begins at ``origin``, as it reads now."""
    finals: dict[str, TranscriptEvent] = {}
    for event in told:
        final = event.final if isinstance(event, RedactionEvent) else event
        if isinstance(final, TranscriptEvent) and final.channel < channels:
            finals[final.utterance_id] = final
    return tuple(
        SaidBefore(
            utterance_id=final.utterance_id,
            channel=final.channel,
            role=final.role,
            text=final.raw_text,
            start=final.start - origin,
            end=final.end - origin,
        )
        for final in finals.values()
        if final.end > origin - REMEMBERED
    )


def as_begun(spec: CallSpec, taken: TakenCall, part: CallPart) -> CallSpec:
    """Return how a call goes on here: a resumed stream need not say again what its first one said."""
    info = replace(spec.info, **{name: getattr(taken.info, name) for name in AS_BEGUN})
    terms = taken.record_terms
    return replace(
        spec, info=info, part=part, unrecorded=terms.unrecorded, retention=terms.retention,
        notice_given=terms.notice_given,
    )  # fmt: skip
