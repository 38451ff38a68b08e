"""WAV headers as recorders leave them: sizes that were never filled in, chunks without padding. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

UNKNOWN_SIZES = frozenset({0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF})
"""What writers put in place of a size that they do not know yet."""
_EXTENSIBLE = 0xFFFE
NAMES = {
    0x0001: "PCM", 0x0002: "MS ADPCM", 0x0003: "float", 0x0006: "A-law", 0x0007: "µ-law", 0x0010: "OKI ADPCM",
    0x0011: "IMA ADPCM", 0x0014: "G.723 ADPCM", 0x0017: "Dialogic OKI ADPCM", 0x0022: "TrueSpeech",
    0x0031: "GSM 6.10", 0x0038: "NMS VBX ADPCM", 0x0040: "G.721", 0x0042: "G.723.1", 0x0045: "G.726",
    0x0050: "MPEG", 0x0055: "MP3", 0x0064: "G.726", 0x0065: "G.722", 0x0083: "G.729", 0x00FF: "AAC",
    0x0161: "WMA", 0xA106: "AAC",
}  # fmt: skip
"""Codings by their number in the header (mmreg.h; RFC 2361)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WavHeader:
    """What a WAV file says of itself.

    Attributes:
        coding: number of the coding; of the inner one where the header is an extensible one.
        chunks: those before the audio that a reader needs (``fmt``, ``fact``), whole.
        data_at: byte at which the audio begins.
        data_size: bytes of audio that there are.
        whole: whether the sizes in the file are right.
    """

    coding: int
    chunks: bytes
    data_at: int
    data_size: int
    whole: bool

    @property
    def coding_name(self) -> str:
        """The coding, for people."""
        return NAMES.get(self.coding, f"0x{self.coding:04x}")

    def rebuilt(self) -> bytes:
        """Return a header with right sizes, to be put before the audio."""
        whole = 4 + len(self.chunks) + 8 + self.data_size
        begin = b"RIFF" + struct.pack("<I", whole) + b"WAVE"
        return begin + self.chunks + b"data" + struct.pack("<I", self.data_size)


def read_header(data: bytes) -> WavHeader | None:
    """Return the header of a WAV file; None where it is none, or has no audio.

    Args:
        data: the whole file.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    at, kept, coding = 12, b"", 0
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"data":
            return _with_audio(data, at + 8, size, kept, coding) if coding else None
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            coding = _coding(body)
        if name in (b"fmt ", b"fact"):
            kept += name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        at = _behind(data, at + 8 + size, size)
    return None


def _with_audio(data: bytes, at: int, stated: int, chunks: bytes, coding: int) -> WavHeader:
    there = len(data) - at
    right = stated not in UNKNOWN_SIZES and stated <= there
    return WavHeader(
        coding=coding, chunks=chunks, data_at=at, data_size=stated if right else there, whole=right
    )


def _behind(data: bytes, end: int, size: int) -> int:
    """Return where the next chunk begins: at an even byte, but for writers that forget the padding."""
    if size % 2 == 0:
        return end
    return end if data[end : end + 4] in (b"data", b"fact", b"fmt ", b"LIST") else end + 1


def _coding(body: bytes) -> int:
    coding = int.from_bytes(body[:2], "little")
    inner = int.from_bytes(body[24:26], "little")
    return inner if coding == _EXTENSIBLE and len(body) >= 26 else coding
