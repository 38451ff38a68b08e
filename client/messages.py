"""Messages as JSON: proto field names, enum names, integers as numbers."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message


def as_json(message: Message) -> dict[str, object]:
    """Return a message as a JSON object: proto field names, enum names, integers as numbers.

    Fields without presence are always there, unset optional and oneof fields are not.
    """
    out: dict[str, object] = {}
    for descriptor in message.DESCRIPTOR.fields:
        if descriptor.has_presence and not message.HasField(descriptor.name):
            continue
        value = getattr(message, descriptor.name)
        if descriptor.is_repeated:
            if descriptor.message_type and descriptor.message_type.GetOptions().map_entry:
                out[descriptor.name] = dict(value)
            else:
                out[descriptor.name] = [_json_value(descriptor, item) for item in value]
        else:
            out[descriptor.name] = _json_value(descriptor, value)
    return out


def _json_value(descriptor: Any, value: object) -> object:
    if isinstance(value, Message):
        return as_json(value)
    if descriptor.enum_type is not None and isinstance(value, int):
        known = descriptor.enum_type.values_by_number.get(value)
        return known.name if known else value
    return round(value, 4) if isinstance(value, float) else value
