"""Audio that is coded otherwise than the client says."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf

from pipeline.audio.codecs import Blocks
from pipeline.audio.suspect import CodingWatch
from pipeline.calls.info import Codec
from tests.audio import demo_call

CODED = {Codec.MULAW: "ULAW", Codec.ALAW: "ALAW", Codec.L16: "PCM_16"}


def coded(codec: Codec, channel: int = 0, noise: float = 0.0) -> bytes:
    """Return 15 s of one side of the bundled call at 8 kHz."""
    samples, rate = demo_call()
    pcm = samples[5 * rate : 20 * rate, channel]
    noisy = pcm + np.random.default_rng(0).normal(0, noise, len(pcm))
    out = io.BytesIO()
    sf.write(out, noisy, rate, subtype=CODED[codec], format="RAW", endian="LITTLE")
    return out.getvalue()


def judged(codec: Codec, data: bytes) -> list[str]:
    watch = CodingWatch(codec, 8000)
    said = (watch.look(data[at : at + 320], 1) for at in range(0, len(data), 320) if not watch.done)
    return [found for found in said if found]


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("noise", [0.0, 0.003, 0.02])
def test_audio_that_is_what_was_said_raises_no_suspicion(codec: Codec, channel: int, noise: float) -> None:
    assert judged(codec, coded(codec, channel, noise)) == []


@pytest.mark.parametrize("channel", [0, 1])
def test_what_it_is_instead_is_told(channel: int) -> None:
    (found,) = judged(Codec.MULAW, coded(Codec.ALAW, channel))
    assert "A-law" in found
    (found,) = judged(Codec.ALAW, coded(Codec.MULAW, channel))
    assert "µ-law, and" in found
    swapped = np.frombuffer(coded(Codec.L16, channel), "<i2").astype(">i2").tobytes()
    (found,) = judged(Codec.L16, swapped)
    assert "big-endian" in found


def test_silence_and_noise_are_not_judged() -> None:
    assert judged(Codec.MULAW, b"\xff" * 80_000) == []
    rng = np.random.default_rng(0)
    for codec in Codec:
        assert judged(codec, rng.bytes(80_000)) == [], "random bytes are alike in every way to read them"


@pytest.mark.parametrize("codec", list(Codec))
def test_tones_and_clipped_speech_raise_no_suspicion(codec: Codec) -> None:
    samples, rate = demo_call()
    tone = 0.3 * np.sin(2 * np.pi * 440 / rate * np.arange(10 * rate))
    for pcm in (tone, np.clip(samples[5 * rate : 20 * rate, 1] * 8, -1, 1)):
        out = io.BytesIO()
        sf.write(out, pcm, rate, subtype=CODED[codec], format="RAW", endian="LITTLE")
        assert judged(codec, out.getvalue()) == []


def test_bytes_of_zero_are_silence_in_g711() -> None:
    speech = coded(Codec.MULAW)[16_000:24_000]
    for codec, silence in ((Codec.MULAW, 0.0), (Codec.ALAW, 8 / 32768)):
        blocks = Blocks(b"\0" * 800 + speech, codec, 1)
        ((_first, (pcm,)),) = blocks
        assert blocks.had_zeros
        assert np.abs(pcm[:800]).max() <= silence
    plain = Blocks(speech, Codec.MULAW, 1)
    ((_first, (heard,)),) = plain
    assert not plain.had_zeros
    assert np.abs(heard).max() > 0.01
    stereo = np.stack([np.zeros(400, np.uint8), np.full(400, 0x2A, np.uint8)], axis=1).tobytes()
    ((_first, (left, right)),) = Blocks(stereo, Codec.MULAW, 2)
    assert not left.any()
    assert np.abs(right).min() > 0.01, "the other channel is as it came"
    clipped = b"\0" * 10 + b"\x80" * 10
    assert not Blocks(clipped * 50, Codec.MULAW, 1).had_zeros, "speech that clips has short runs"
    assert not Blocks(b"\0" * 800, Codec.L16, 1).had_zeros
