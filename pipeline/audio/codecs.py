"""G.711 and linear PCM to float32. The tables follow ITU-T G.711 (1988), tables 1 and 2."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.calls.info import Codec
from pipeline.errors import InvalidRequest

BYTES_PER_SAMPLE = {Codec.MULAW: 1, Codec.ALAW: 1, Codec.L16: 2}
_FULL_SCALE = 32768.0


def _mulaw_table() -> NDArray[np.float32]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    magnitude = ((2 * mantissa + 33) << (exponent + 2)) - 132  # 14-bit values at 16-bit scale
    return (np.where(code & 0x80, -magnitude, magnitude) / _FULL_SCALE).astype(np.float32)


def _alaw_table() -> NDArray[np.float32]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    linear = np.where(exponent == 0, 2 * mantissa + 1, (2 * mantissa + 33) << np.maximum(exponent - 1, 0))
    magnitude = linear << 3  # 13-bit values at 16-bit scale
    return (np.where(code & 0x80, magnitude, -magnitude) / _FULL_SCALE).astype(np.float32)


_TABLES = {Codec.MULAW: _mulaw_table(), Codec.ALAW: _alaw_table()}


def decode(data: bytes, codec: Codec) -> NDArray[np.float32]:
    """Return samples in [-1, 1], shape (n,), interleaving kept.

    Raises:
        InvalidRequest: the bytes are not whole samples.
    """
    if len(data) % BYTES_PER_SAMPLE[codec]:
        raise InvalidRequest(f"{codec} audio of {len(data)} bytes is not whole samples; send an even number")
    if codec is Codec.L16:
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)
    return _TABLES[codec][np.frombuffer(data, np.uint8)]


def split_channels(samples: NDArray[np.float32], channels: int) -> list[NDArray[np.float32]]:
    """Return one array for each of the interleaved channels.

    Raises:
        InvalidRequest: the number of samples is not a multiple of the channels.
    """
    if len(samples) % channels:
        raise InvalidRequest(
            f"interleaved audio of {len(samples)} samples does not divide into {channels} channels"
        )
    return [np.ascontiguousarray(samples[index::channels]) for index in range(channels)]
