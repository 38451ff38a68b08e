"""Recordings as exchanges, recorders and telephones write them."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import client
from client.decoding import decode_file, raw_format
from client.errors import BadAudio
from client.wav import read_header
from yuetone.v1 import audio_pb2

RATE = 8000
HEADER = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"
TONE = (0.3 * np.sin(2 * np.pi * 440 / RATE * np.arange(3 * RATE))).astype(np.float32)


def likeness(samples: NDArray[np.float32], rate: int = RATE) -> float:
    """Return how much of the tone there is, at any delay of up to 30 ms."""
    tone = np.interp(np.arange(3 * rate) / rate, np.arange(len(TONE)) / RATE, TONE)
    mono = samples[:, 0]
    best = 0.0
    for delay in range(0, rate * 30 // 1000, max(1, rate // 8000)):
        length = min(len(mono) - delay, len(tone))
        best = max(best, float(np.corrcoef(mono[delay : delay + length], tone[:length])[0, 1]))
    return best


def with_sizes(data: bytes, size: int) -> bytes:
    """Return a WAV file with another number in both its sizes."""
    at = data.index(b"data") + 4
    return data[:4] + struct.pack("<I", size) + data[8:at] + struct.pack("<I", size) + data[at + 4 :]


@pytest.mark.parametrize(
    "subtype",
    ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "GSM610", "MS_ADPCM",
     "IMA_ADPCM", "G721_32", "NMS_ADPCM_16", "NMS_ADPCM_24", "NMS_ADPCM_32"],
)  # fmt: skip
@pytest.mark.parametrize("size", [None, 0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_wav_of_every_coding_is_read_whatever_its_sizes_say(
    subtype: str, size: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    sf.write(path, TONE, RATE, subtype=subtype, format="WAV")
    if size is not None:
        path.write_bytes(with_sizes(path.read_bytes(), size))
    found = decode_file(path)
    assert found.rate == RATE
    assert abs(len(found.samples) - len(TONE)) <= 400, "coded in blocks"
    assert likeness(found.samples) > 0.99
    assert np.sqrt(np.mean(found.samples**2)) == pytest.approx(0.212, rel=0.1)
    assert bool(found.remarks) == (size is not None)
    sent = client.read_audio(path)
    kept = {"ULAW": audio_pb2.CODEC_MULAW, "ALAW": audio_pb2.CODEC_ALAW}
    assert sent.format.codec == kept.get(subtype, audio_pb2.CODEC_L16)
    assert sent.seconds == pytest.approx(3.0, abs=0.06)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW"])
def test_extensible_headers_and_odd_chunks_are_read(subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    sf.write(path, np.stack([TONE, -TONE], axis=1), RATE, subtype=subtype, format="WAVEX")
    assert likeness(decode_file(path).samples) > 0.99
    data = path.read_bytes()
    for padding in (b"", b"\0"):  # some writers forget the byte that makes a chunk even
        odd = data[:12] + b"junk" + struct.pack("<I", 7) + b"odd one" + padding + data[12:]
        path.write_bytes(with_sizes(odd, 0))
        found = decode_file(path)
        assert found.samples.shape[1] == 2
        assert likeness(found.samples) > 0.99


def encoded(path: Path, container: str, codec: str, rate: int) -> None:
    tone = np.interp(np.arange(3 * rate) / rate, np.arange(len(TONE)) / RATE, TONE)
    frame = av.AudioFrame.from_ndarray((tone * 32767).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate = rate
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        context = stream.codec_context
        cut = av.AudioResampler(
            format=context.format, layout="mono", rate=rate, frame_size=context.frame_size or 160
        )
        for piece in [*cut.resample(frame), *cut.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "container", "codec", "rate"),
    [
        ("a.m4a", "mp4", "aac", 16_000),
        ("a.aac", "adts", "aac", 16_000),
        ("a.mp3", "mp3", "libmp3lame", 16_000),
        ("a.opus", "ogg", "libopus", 48_000),
        ("a.webm", "webm", "libopus", 48_000),
        ("a.amr", "amr", "libopencore_amrnb", 8000),
        ("g726.wav", "wav", "adpcm_g726", 8000),
        ("a.g722", "g722", "g722", 16_000),
    ],
)
def test_what_telephones_and_programs_write_is_read(
    name: str, container: str, codec: str, rate: int, tmp_path: Path
) -> None:
    encoded(tmp_path / name, container, codec, rate)
    found = decode_file(tmp_path / name)
    assert found.rate == rate
    assert likeness(found.samples, rate) > 0.95


@pytest.mark.parametrize(
    ("coding", "subtype"), [("ulaw", "ULAW"), ("alaw", "ALAW"), ("s16le", "PCM_16"), ("s16be", "PCM_16")]
)
def test_files_without_a_header_are_read_as_is_said(coding: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "call.raw"
    sf.write(
        path, np.stack([TONE, TONE], axis=1), RATE, format="RAW", subtype=subtype,
        endian="BIG" if coding == "s16be" else "LITTLE",
    )  # fmt: skip
    with pytest.raises(BadAudio, match="has no header: say how it is coded"):
        decode_file(path)
    found = decode_file(path, raw_format(f"{coding},8000,2"))
    assert found.samples.shape == (len(TONE), 2)
    assert likeness(found.samples) > 0.99
    if coding in ("ulaw", "alaw"):
        named = path.rename(tmp_path / f"call.{coding}")
        assert decode_file(named).samples.shape == (2 * len(TONE), 1), "its name says one channel"


def test_dialogic_vox_is_read(tmp_path: Path) -> None:
    """Nothing here writes OKI ADPCM; codes 0 and 8 are the smallest steps up and down."""
    (tmp_path / "call.vox").write_bytes(b"\x77\xff" * 200 + b"\x08\x80" * 4000)
    found = decode_file(tmp_path / "call.vox")
    assert (found.samples.shape, found.rate) == ((16_800, 1), 8000)
    assert np.abs(found.samples[:800]).max() > 0.05


def test_floats_of_any_scale_become_sound(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    for scale in (32768.0, 1e30):
        sf.write(path, TONE * scale, RATE, subtype="DOUBLE")
        assert likeness(decode_file(path).samples) > 0.99
    broken = TONE.copy()
    broken[100:200] = np.nan
    sf.write(path, broken, RATE, subtype="FLOAT")
    assert np.isfinite(decode_file(path).samples).all()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.wav", b"", "is empty"),
        ("a.wav", b"hello, world", "is not audio that can be read"),
        ("a.wav", HEADER + b"\x69\0\1\0" + bytes(12) + b"data\4\0\0\0\1\1\1\1", "0x0069"),
        ("a.wav", HEADER + b"\x83\0\1\0" + bytes(12) + b"data\4\0\0\0\1\1\1\1", "G.729"),
        ("a.wav", b"RIFF\0\0\0\0WAVE", "is not audio that can be read"),
        ("a.ulaw", b"", "is empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_one_line(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadAudio, match=says) as caught:
        decode_file(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_formats_that_are_said_wrongly_are_refused(tmp_path: Path) -> None:
    for text in ("", "mulaw", "ulaw,x", "ulaw,1", "ulaw,8000,3", "ulaw,8000,2,1"):
        with pytest.raises(BadAudio):
            raw_format(text)
    with pytest.raises(BadAudio, match="no recording at"):
        decode_file(tmp_path / "none.wav")
    with pytest.raises(BadAudio, match="is no file"):
        decode_file(tmp_path)
    sf.write(tmp_path / "six.wav", np.zeros((800, 6)), RATE)
    with pytest.raises(BadAudio, match="6 channels"):
        decode_file(tmp_path / "six.wav")


@given(st.binary(max_size=200), st.integers(0, 60))
def test_damaged_headers_are_no_crash(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    whole = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0" + bytes(
        40
    )
    damaged = whole[:at] + noise + whole[at:]
    read_header(damaged)
    path = tmp_path_factory.getbasetemp() / "damaged.wav"
    path.write_bytes(damaged)
    with contextlib.suppress(BadAudio):  # its message, or samples
        decode_file(path)
