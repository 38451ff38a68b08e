"""Events as bytes and back: one JSON object each, versioned, for memory, disk and the wire between nodes.

A field that has its default value is left out; a field that the reader does not know is passed over, and one
that is missing gets its default. So an older and a newer release read each other's events as long as a new
field has a default. A change that breaks this raises :data:`VERSION`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pipeline.calls import events
from pipeline.calls.events import CallEvent, Envelope

VERSION = 1
_KINDS: dict[str, type] = {
    "started": events.Started,
    "speech": events.SpeechEdge,
    "transcript": events.TranscriptEvent,
    "redaction": events.RedactionEvent,
    "emotion": events.EmotionEvent,
    "alert": events.AlertEvent,
    "attribution": events.AttributionEvent,
    "speaker": events.SpeakerEvent,
    "channel_finding": events.ChannelFinding,
    "second_look": events.SecondLookEvent,
    "suggestion": events.SuggestionEvent,
    "mark": events.Mark,
    "health": events.HealthReport,
    "warning": events.WarningEvent,
    "error": events.ErrorEvent,
    "ended": events.Ended,
}
"""Stable names; they are on disks and must not change."""
_NAMES = {kind: name for name, kind in _KINDS.items()}
_Decode = Callable[[Any], Any]
E = TypeVar("E")


class CodecError(ValueError):
    """Bytes that are no event, or one of a newer release."""


def encode(envelope: Envelope) -> bytes:
    """Return a numbered event as bytes."""
    event = envelope.event
    message = {
        "v": VERSION,
        "call": envelope.call_id,
        "seq": envelope.server_seq,
        "acked": envelope.acked,
        "kind": _NAMES[type(event)],
        "event": _plain(event),
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def event_to_json(event: CallEvent) -> str:
    """Return one event's fields as JSON, without its kind and number."""
    return json.dumps(_plain(event), ensure_ascii=False, separators=(",", ":"))


def event_from_json(kind: type[E], text: str) -> E:
    """Return the event of a known kind that :func:`event_to_json` was given.

    Raises:
        CodecError: it is none of that kind.
    """
    try:
        event: E = _decoder(cast("Any", kind))(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CodecError("not an event") from error
    return event


def decode(data: bytes) -> Envelope:
    """Return the event that :func:`encode` was given.

    Raises:
        CodecError: these are no bytes of ours, or they are of a release that this one cannot read.
    """
    try:
        message = json.loads(data)
        kind = _kind(message["v"], message["kind"])
        return Envelope(
            call_id=message["call"],
            server_seq=message["seq"],
            acked=message["acked"],
            event=_decoder(kind)(message["event"]),
        )
    except CodecError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CodecError("not an event") from error


def _kind(number: object, name: str) -> type:
    if number != VERSION:
        raise CodecError(f"an event of version {number}; this release reads version {VERSION}")
    kind = _KINDS.get(name)
    if kind is None:
        raise CodecError(f"an event of kind {name!r}, which this release does not know")
    return kind


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return {
        name: _plain(found)
        for name, default in _fields_with_defaults(cast("Any", type(value)))
        if (found := getattr(value, name)) is not default and found != default
    }


@cache
def _fields_with_defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, _default(field)) for field in fields(kind))


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default  # MISSING equals nothing


@cache
def _decoder(hint: Any) -> _Decode:
    """Return what turns JSON into a value of type ``hint``."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if is_dataclass(hint):
        return _dataclass_decoder(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional_decoder(arguments)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        item = _decoder(arguments[1])
        return lambda plain: {key: item(value) for key, value in plain.items()}
    return _as_it_is


def _as_it_is(plain: Any) -> Any:
    return plain


def _dataclass_decoder(kind: Any) -> _Decode:
    hints = get_type_hints(kind)
    known = {field.name: _decoder(hints[field.name]) for field in fields(kind)}

    def build(plain: Any) -> Any:
        return kind(**{name: known[name](value) for name, value in plain.items() if name in known})

    return build


def _optional_decoder(arguments: tuple[Any, ...]) -> _Decode:
    """Return the decoder of ``X | None``; the only kind of union in events."""
    (inner,) = (_decoder(argument) for argument in arguments if argument is not types.NoneType)
    return lambda plain: None if plain is None else inner(plain)


def _tuple_decoder(arguments: tuple[Any, ...]) -> _Decode:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _decoder(arguments[0])
        return lambda plain: tuple(map(item, plain))
    items = [_decoder(argument) for argument in arguments]
    return lambda plain: tuple(item(value) for item, value in zip(items, plain, strict=True))
