"""What one live call leaves in the record; for one event loop."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.calls.events import CallEvent, Ended, Envelope, Started, TranscriptEvent
from pipeline.calls.info import SAMPLE_RATE, CallSpec
from pipeline.calls.log import REDACTED
from pipeline.record.entries import (
    BeginRecord,
    CloseRecord,
    ContinueRecord,
    CutSoundEntry,
    EndRecord,
    EventEntry,
    SoundEntry,
)
from pipeline.record.kept import is_awaited, is_kept
from pipeline.record.writer import RecordWriter
from pipeline.redaction.views import original, seen
from pipeline.sections.record import Durability, RetentionSettings

ID_BYTES = 10
DAY_S = 86_400.0
PIECES_A_PART = 1 << 20
"""Numbers of pieces of sound that a part of a call has for itself: 24 days of two seconds each. No two parts
seal under one number, also where one of them does not know that its call has gone."""
NARROW, WIDE = 8_000, SAMPLE_RATE
"""Samples a second of the kept sound: of telephones, and of everything better."""
_WORD_BYTES = 90
"""What a word with its times takes, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How a call is kept.

    Attributes:
        retention: name of its class.
        rules: of the class.
        with_sound: whether its sound is kept.
        durability: what comes first.
        notice_given: the people on the line were told.
    """

    retention: str
    rules: RetentionSettings
    with_sound: bool
    durability: Durability
    notice_given: bool

    @property
    def with_original(self) -> bool:
        """Whether what is hidden of it is kept too, under a key of its own."""
        return self.rules.original_days > 0


class CallRecorder:
    """Hands what is to be kept of a call to the writer, and knows how far that is on disk.

    Args:
        spec: of the call.
        keeping: how it is kept.
        writer: of the server.
        waited: is told how long an event waited for the disk, s, where the call waited for it.
        node: name of this node, where several write the record.

    Attributes:
        record_id: of the record.
        stored_seq: every event that is kept, up to this number, is on disk.
        lost: events and pieces of sound that could not be kept.
    """

    def __init__(
        self,
        spec: CallSpec,
        keeping: Keeping,
        writer: RecordWriter,
        waited: Callable[[float], None] = lambda _seconds: None,
        node: str = "",
    ) -> None:
        part = spec.part
        self.record_id = part.uid if part is not None else _drawn_id()
        self.keeping = keeping
        self._epoch, self._origin = (0, 0) if part is None else (part.epoch, part.origin)
        self.stored_seq = 0
        self.lost = 0
        self.rate = NARROW if spec.sample_rate <= NARROW else WIDE
        self._tenant = spec.info.tenant
        self._began = spec.info.started_at if spec.past else None
        self._writer, self._waited = writer, waited
        self._whole, self._closed = True, False
        self._ended = False
        self._waiting = 0  # pieces of sound
        self._settled = [0] * len(spec.roles) if keeping.with_sound else []
        first = max(0, self._epoch - 1) * PIECES_A_PART
        self._pieces = [first] * len(spec.roles)
        self._cuts = [first] * len(spec.roles)
        writer.put(self._tenant, self._beginning(spec, node), _nothing)

    def _beginning(self, spec: CallSpec, node: str) -> BeginRecord | ContinueRecord:
        """Return the first entry: of a call, or of a part of one that another node has begun."""
        keeping, rules = self.keeping, self.keeping.rules
        begin = BeginRecord(
            record_id=self.record_id,
            info=spec.info,
            roles=spec.roles,
            rate=self.rate,
            retention=keeping.retention,
            keep_s=rules.keep_days * DAY_S,
            least_s=rules.least_days * DAY_S,
            notice_given=keeping.notice_given,
            with_sound=keeping.with_sound,
            customer=spec.customer,
            arrival=spec.arrival,
            original_s=rules.original_days * DAY_S,
            epoch=self._epoch,
            node=node,
        )
        part = spec.part
        if part is None or part.epoch == 1:
            return begin
        said = tuple(part.origin + until for until in part.said_until)
        return ContinueRecord(
            record_id=self.record_id,
            begin=begin,
            said_until=said,
            origin=part.origin,
            last_seq=part.last_seq,
            committed=part.committed,
        )

    @property
    def _origin_at_rate(self) -> int:
        return self._origin * self.rate // SAMPLE_RATE

    @property
    def stored_audio(self) -> int:
        """Samples at 16 kHz of the call up to which the sound of all channels is on disk."""
        return min(self._settled, default=0)

    @property
    def waits(self) -> bool:
        """Whether sound of it is not on disk yet."""
        return self._waiting > 0

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self._closed

    @property
    def failing(self) -> bool:
        """Whether the disk takes nothing now, or something of this call is lost already."""
        return self._writer.state.failing or not self._whole

    @property
    def strict(self) -> bool:
        """Whether a final is told only once it is on disk; in a cluster it is on the disk of that already."""
        return self.keeping.durability is Durability.STRICT and not self._epoch

    def keep(self, envelope: Envelope, done: Callable[[], None] = lambda: None) -> bool:
        """Keep an event, if it is of those that are kept; return whether it will be.

        Args:
            envelope: the event, numbered, as the guard made it.
            done: called once it is on disk.
        """
        if not is_kept(envelope.event):
            return False
        kept = _kept_form(envelope)
        hidden = original(envelope) if self.keeping.with_original else None
        size = _size(kept.event) * (1 if hidden is None else 2)
        entry = EventEntry(
            record_id=self.record_id, envelope=kept, size=size, original=hidden, epoch=self._epoch
        )

        awaited, since = self.strict and is_awaited(envelope.event), time.monotonic()

        def stored() -> None:
            if self._whole:
                self.stored_seq = max(self.stored_seq, envelope.server_seq)
            if awaited:
                self._waited(time.monotonic() - since)
            done()

        def lost() -> None:
            self._lose()
            done()

        ends = isinstance(envelope.event, Ended)  # whoever sees a call end may look it up
        taken = self._writer.put(self._tenant, entry, stored, lost, urgent=ends or awaited)
        if not taken:
            self._lose()
        if isinstance(envelope.event, Ended):
            self._end(envelope.event)
        return taken

    def hear(self, channel: int, start: int, data: bytes, settled: int) -> None:
        """Keep a piece of a channel's sound.

        Args:
            channel: whose.
            start: first sample, at :attr:`rate`.
            data: G.711 µ-law.
            settled: samples at 16 kHz up to which the channel is in pieces, with this one.

        Positions count from where the part of the call begins that is here.
        """
        number, settled = self._pieces[channel], settled + self._origin
        entry = SoundEntry(
            record_id=self.record_id,
            channel=channel,
            number=number,
            start=start + self._origin_at_rate,
            data=data,
            settled=settled,
            epoch=self._epoch,
        )

        def stored() -> None:
            self._waiting -= 1
            if self._whole:
                self._settled[channel] = settled

        def lost() -> None:
            self._waiting -= 1
            self._lose()

        if self._writer.put(self._tenant, entry, stored, lost):
            self._pieces[channel] += 1
            self._waiting += 1
        else:
            self._lose()

    def hear_cut(self, channel: int, start: int, data: bytes) -> None:
        """Keep a stretch of a channel's sound that is silent in what everybody hears; see :meth:`hear`."""
        if not data:
            return
        entry = CutSoundEntry(
            record_id=self.record_id,
            channel=channel,
            number=self._cuts[channel],
            start=start + self._origin_at_rate,
            data=data,
            epoch=self._epoch,
        )
        self._cuts[channel] += 1
        if not self._writer.put(self._tenant, entry, _nothing, self._lose):
            self._lose()

    def close(self) -> None:
        """Let nothing more come; safe to call twice."""
        if not self._closed:
            self._closed = True
            lost = 0 if self._ended else self.lost
            entry = CloseRecord(record_id=self.record_id, epoch=self._epoch, lost=lost)
            self._writer.put(self._tenant, entry, _nothing)

    def _end(self, event: Ended) -> None:
        self._ended = True
        at = time.time() if self._began is None else self._began + event.audio / SAMPLE_RATE
        entry = EndRecord(
            record_id=self.record_id,
            at=at,
            reason=event.reason,
            lost=self.lost,
            transferred_to=event.transferred_to,
            epoch=self._epoch,
        )
        self._writer.put(self._tenant, entry, _nothing, urgent=True)

    def _lose(self) -> None:
        """Something is missing from here on: what is promised goes no further."""
        self._whole = False
        self.lost += 1


def _drawn_id() -> str:
    return base64.b32encode(secrets.token_bytes(ID_BYTES)).decode("ascii").lower()


def _nothing() -> None:
    pass


def _kept_form(envelope: Envelope) -> Envelope:
    """Return an event as it is kept: nothing personal, no secret that lets somebody take the call over."""
    shown = seen(envelope, REDACTED)
    if isinstance(shown.event, Started):
        return replace(shown, event=replace(shown.event, session_id=""))
    return shown


def _size(event: CallEvent) -> int:
    """Return about how many bytes an event takes."""
    if isinstance(event, TranscriptEvent):
        return len(event.raw_text) * 8 + len(event.words) * _WORD_BYTES
    return 0
