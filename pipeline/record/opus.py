"""Kept sound as Opus (RFC 6716) in Ogg, by libsndfile: a third of the bytes of G.711. Pure.

It costs 9 ms of processor time a channel-second (libsndfile 1.2.2, 8 kHz), so it is done for finished calls.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile

from pipeline.audio.codecs import decoded, mulaw_encoded
from pipeline.calls.info import Codec

CODEC = "opus"


def packed(mulaw: bytes, rate: int) -> bytes:
    """Return G.711 µ-law of ``rate`` samples a second, 8,000 or 16,000, as Opus; it has as many samples."""
    out = io.BytesIO()
    soundfile.write(out, decoded(mulaw, Codec.MULAW), rate, format="OGG", subtype="OPUS")
    return out.getvalue()


def unpacked(data: bytes) -> bytes:
    """Return what :func:`packed` gave as G.711 µ-law.

    Raises:
        ValueError: it is no such thing.
    """
    try:
        pcm, _rate = soundfile.read(io.BytesIO(data), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise ValueError("no Opus in Ogg") from error
    return mulaw_encoded(np.clip(pcm, -1.0, 1.0))
