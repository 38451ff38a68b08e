"""One change to Silero's graph: its batch axis becomes many calls instead of one call's frames.

The published network reads consecutive frames of one channel: its first axis is time, its LSTM state has
room for one channel. Turned round, a run takes one frame of each of many channels. Only the wire format of
protocol buffers (https://protobuf.dev/programming-guides/encoding) is needed for that; field numbers are
those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Callable

_Field = tuple[int, int, bytes]  # number, wire type, payload: the varint's bytes, or what the length covers
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
_GRAPH, _NODE, _INPUT, _OUTPUT, _SHAPES = 7, 1, 11, 12, 13
_NODE_ATTRIBUTE, _ATTRIBUTE_NAME, _ATTRIBUTE_INTS = 5, 1, 8
_VALUE_NAME, _VALUE_TYPE, _TENSOR, _SHAPE, _DIMENSION = 1, 2, 1, 2, 1
_TIME_FIRST, _CALLS_FIRST = [0, 2, 1], [2, 0, 1]
_STATES = {b"h", b"c", b"hn", b"cn"}


def many_calls(model: bytes) -> bytes:
    """Return ``model`` with inputs ``input`` (calls, 576), ``h`` and ``c`` (1, calls, 128).

    Raises:
        ValueError: the graph is not the one that this was written for.
    """
    changed = {"perm": 0, "state": 0}

    def graph(data: bytes) -> bytes:
        fields = [field for field in _fields(data) if field[0] != _SHAPES]  # inferred ones no longer hold
        data = _bytes(fields)
        data = _each(data, _NODE, lambda node: _node(node, changed))
        for values in (_INPUT, _OUTPUT):
            data = _each(data, values, lambda value: _value(value, changed))
        return data

    edited = _each(model, _GRAPH, graph)
    if changed != {"perm": 1, "state": 4}:
        raise ValueError("the Silero model of this faster-whisper has another graph; install 1.2 to 1.3")
    return edited


def _node(node: bytes, changed: dict[str, int]) -> bytes:
    def attribute(data: bytes) -> bytes:
        fields = _fields(data)
        if (_ATTRIBUTE_NAME, _LENGTH, b"perm") not in fields or _ints(fields) != _TIME_FIRST:
            return data
        changed["perm"] += 1
        rest = [field for field in fields if field[0] != _ATTRIBUTE_INTS]
        return _bytes([*rest, *((_ATTRIBUTE_INTS, _VARINT, bytes([axis])) for axis in _CALLS_FIRST)])

    return _each(node, _NODE_ATTRIBUTE, attribute)


def _ints(fields: list[_Field]) -> list[int]:
    """Return small integers, packed or not."""
    return [value for number, _wire, data in fields if number == _ATTRIBUTE_INTS for value in data]


def _value(value: bytes, changed: dict[str, int]) -> bytes:
    names = [data for number, _wire, data in _fields(value) if number == _VALUE_NAME]
    if not names or names[0] not in _STATES:
        return value

    def shape(data: bytes) -> bytes:
        fields = _fields(data)
        sizes = [index for index, field in enumerate(fields) if field[0] == _DIMENSION]
        fields[sizes[1]] = (_DIMENSION, _LENGTH, b"")  # any number of calls
        changed["state"] += 1
        return _bytes(fields)

    return _each(value, _VALUE_TYPE, lambda t: _each(t, _TENSOR, lambda tensor: _each(tensor, _SHAPE, shape)))


def _each(message: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """Return ``message`` with ``change`` made to every field of that number."""
    return _bytes([(n, w, change(data) if n == number else data) for n, w, data in _fields(message)])


def _fields(message: bytes) -> list[_Field]:
    found, at = [], 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire, start = key >> 3, key & 7, at
        if wire == _VARINT:
            _, at = _varint(message, at)
        elif wire == _LENGTH:
            size, start = _varint(message, at)
            at = start + size
        elif wire in _FIXED:
            at += _FIXED[wire]
        else:
            raise ValueError("not a protocol buffer")
        found.append((number, wire, message[start:at]))
    return found


def _bytes(fields: list[_Field]) -> bytes:
    out = bytearray()
    for number, wire, data in fields:
        out += _encoded(number << 3 | wire)
        out += _encoded(len(data)) + data if wire == _LENGTH else data
    return bytes(out)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
