"""Events and sound as they lie in the store: sealed, with their places in clear."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEvent:
    """An event as it lies in the store.

    Attributes:
        n: its place in the order of writing.
        record_id: of its call.
        seq: its number in the call.
        kind: of event.
        body: sealed.
    """

    n: int
    record_id: str
    seq: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSound:
    """A piece of sound as it lies in the store; ``start`` and ``length`` in samples at the record's rate."""

    channel: int
    number: int
    version: int
    start: int
    length: int
    codec: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedOriginal:
    """What was hidden of a call, as it lies in the store: an event, by its number, or a stretch of sound."""

    channel: int
    number: int
    start: int
    body: bytes
