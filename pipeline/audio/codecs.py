"""G.711 and linear PCM to float32. The tables follow ITU-T G.711 (1988), tables 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.calls.info import Codec
from pipeline.errors import InvalidRequest

BYTES_PER_SAMPLE = {Codec.MULAW: 1, Codec.ALAW: 1, Codec.L16: 2}
BLOCK_FRAMES = 16_384
"""Frames decoded at once: 2 s of telephone audio."""
_FULL_SCALE = 32768.0
ZERO_RUN = 40
"""Samples of G.711 in a row that are a byte of 0: 5 ms of a telephone."""
_SILENCE = {Codec.MULAW: 0xFF, Codec.ALAW: 0xD5}


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


_MULAW_CLIP, _MULAW_BIAS = 32_635, 132


def _mulaw_codes() -> NDArray[np.uint8]:
    """Return the code of each 16-bit sample, by its bits."""
    linear = np.arange(1 << 16, dtype=np.int32).astype(np.uint16).view(np.int16).astype(np.int32)
    biased = np.minimum(np.abs(linear), _MULAW_CLIP) + _MULAW_BIAS
    exponent = np.floor(np.log2(biased)).astype(np.int32) - 7
    mantissa = biased >> (exponent + 3) & 15
    codes: NDArray[np.uint8] = (~(np.where(linear < 0, 0x80, 0) | exponent << 4 | mantissa)).astype(np.uint8)
    return codes


_CODES = _mulaw_codes()


def mulaw_encoded(pcm: NDArray[np.float32]) -> bytes:
    """Return samples in [-1, 1], shape (n,), as G.711 µ-law; a sample of 0 is decoded as 0."""
    scaled = np.clip(pcm * np.float32(_FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    return bytes(_CODES[scaled.view(np.uint16)].tobytes())


def decoded(data: bytes, codec: Codec) -> NDArray[np.float32]:
    """Return samples in [-1, 1], shape (n,), interleaving kept.

    Args:
        data: whole samples.
        codec: of them.
    """
    if codec is Codec.L16:
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)
    return _TABLES[codec][np.frombuffer(data, np.uint8)]


def _channels(samples: NDArray[np.float32], channels: int) -> list[NDArray[np.float32]]:
    """Return one array for each of the interleaved channels."""
    return [np.ascontiguousarray(samples[index::channels]) for index in range(channels)]


def silenced_zeros(data: bytes, codec: Codec, channels: int) -> bytes:
    """Return G.711 with silence where the sender wrote bytes of 0: read as they are, those are a loud buzz.

    No speech has a run of them: 5 ms at full scale, or at one level.
    """
    codes = np.frombuffer(data, np.uint8).reshape(-1, channels).copy()
    for channel in codes.T:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], channel == 0, [False]]).astype(np.int8)))
        for first, last in edges.reshape(-1, 2):
            if last - first >= ZERO_RUN:
                channel[first:last] = _SILENCE[codec]
    return codes.tobytes()


class Blocks:
    """The audio of a message, decoded block by block: as float32 at 16 kHz it is up to eight times as large.

    Iterating gives each block's first frame and its channels.

    Args:
        data: bytes as they came.
        codec: of them.
        channels: interleaved in them.

    Attributes:
        frames: samples of each channel.
        had_zeros: silence came as bytes of 0, which is none in G.711.

    Raises:
        InvalidRequest: they are not whole samples of all channels.
    """

    def __init__(self, data: bytes, codec: Codec, channels: int) -> None:
        size = BYTES_PER_SAMPLE[codec]
        if len(data) % size:
            raise InvalidRequest(f"{codec} audio of {len(data)} bytes is not whole samples")
        if len(data) % (size * channels):
            raise InvalidRequest(
                f"interleaved audio of {len(data) // size} samples does not divide into {channels} channels"
            )
        self._data = data
        self._codec = codec
        self._channels = channels
        self.frames = len(data) // (size * channels)
        self.had_zeros = False
        if codec in _SILENCE and data.count(0) >= ZERO_RUN:
            self._data = silenced_zeros(data, codec, channels)
            self.had_zeros = self._data != data

    def __iter__(self) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
        """Yield the blocks."""
        frame = BYTES_PER_SAMPLE[self._codec] * self._channels
        for first in range(0, self.frames, BLOCK_FRAMES):
            part = self._data[first * frame : (first + BLOCK_FRAMES) * frame]
            yield first, _channels(decoded(part, self._codec), self._channels)
