"""Recordings of every kind as samples: what exchanges, dictation machines and telephones write. No gRPC here.

libsndfile reads most (WAV of every coding but G.726, FLAC, OGG, Opus, MP3, AIFF, AU, CAF, W64), PyAV the
rest (M4A, AMR, WMA, 3GP, G.722, G.726). PyAV comes with faster-whisper.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from client.errors import BadAudio
from client.wav import WavHeader, read_header

Pcm = NDArray[np.float32]
LONGEST_S = 8 * 3600.0
MOST_CHANNELS = 2
BLOCK = 1 << 18
"""Frames read at once."""
GSM_FRAME = 33
"""Bytes of 20 ms (GSM 06.10 as in .gsm files)."""
SUFFIXES = (
    ".wav", ".wave", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".snd", ".caf", ".w64",
    ".m4a", ".mp4", ".aac", ".amr", ".awb", ".3gp", ".wma", ".webm", ".mka",
    ".gsm", ".g722", ".g726", ".vox", ".ulaw", ".ul", ".alaw", ".al", ".sln",
)  # fmt: skip
"""Names that recordings have; what is in a file is told by its content where that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFormat:
    """How a file without a header is coded.

    Attributes:
        coding: name in :data:`RAW_CODINGS`.
        rate: samples a second and channel.
        channels: interleaved in it.
    """

    coding: str
    rate: int = 8000
    channels: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedAudio:
    """A whole recording.

    Attributes:
        samples: float32 in [-1, 1], shape (n, channels).
        rate: samples a second and channel.
        coding: of the file: ulaw, alaw, or another name, for people.
        remarks: what was odd about it, for people.
    """

    samples: Pcm
    rate: int
    coding: str
    remarks: tuple[str, ...] = ()


_LIBSNDFILE_RAW = {"ulaw": "ULAW", "alaw": "ALAW", "s16le": "PCM_16", "s16be": "PCM_16"}
_CODEC_OF = {"vox": "adpcm_ima_oki", "g722": "g722", "g726-32": "g726le", "gsm": "gsm"}
RAW_CODINGS = (*_LIBSNDFILE_RAW, *_CODEC_OF)
"""Codings that a file without a header may have."""
_RAW_BY_SUFFIX = {
    ".ulaw": "ulaw", ".ul": "ulaw", ".alaw": "alaw", ".al": "alaw", ".sln": "s16le", ".vox": "vox",
    ".g722": "g722", ".gsm": "gsm", ".g726": "g726-32",
}  # fmt: skip
"""Names that Asterisk, Dialogic and SoX give to them: one channel, 8,000 samples a second (G.722: 16,000)."""


def raw_format(text: str) -> RawFormat:
    """Return what ``coding,rate,channels`` says, such as ``ulaw,8000,2``; rate and channels may be left out.

    Raises:
        BadAudio: it says nothing that is known.
    """
    coding, *numbers = [part.strip() for part in text.split(",")]
    if coding not in RAW_CODINGS or len(numbers) > 2 or not all(part.isdecimal() for part in numbers):
        raise BadAudio(
            f"{text!r} is no format; write coding,rate,channels with one of {', '.join(RAW_CODINGS)}"
        )
    rate, channels = (*map(int, numbers), *(_rate_of(coding), 1)[len(numbers) :])
    if not 4000 <= rate <= 96_000 or not 1 <= channels <= MOST_CHANNELS:
        raise BadAudio(f"{text!r}: the rate must be 4000 to 96000, and channels 1 or 2")
    return RawFormat(coding=coding, rate=rate, channels=channels)


def decode_file(path: Path, raw: RawFormat | None = None) -> DecodedAudio:
    """Decode a recording of one or two channels.

    Args:
        path: of the file; its name may be of any encoding.
        raw: how it is coded where it has no header; None takes what its name means (``.ulaw``, ``.vox`` …).

    Raises:
        BadAudio: no such file, not audio, empty, too long, or more than two channels; the message is one
        line.
    """
    name = _printable(path.name)
    if not path.is_file():
        raise BadAudio(f"no recording at {path}" if not path.exists() else f"{name} is no file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadAudio(f"{name} cannot be read: {error.strerror}") from error
    return decode_bytes(data, path.name, raw)


def decode_bytes(data: bytes, name: str, raw: RawFormat | None = None) -> DecodedAudio:
    """Decode a recording whose bytes are at hand.

    Args:
        data: the whole file.
        name: of the file.
        raw: as for :func:`decode_file`.

    Raises:
        BadAudio: as there.
    """
    suffix = Path(name).suffix.lower()
    try:
        return _decoded(data, raw or _raw_of(suffix, data), suffix)
    except _Unreadable as error:
        raise BadAudio(f"{_printable(name)} {error}") from error


def _printable(name: str) -> str:
    """Return a file name that may be of any encoding, for people."""
    return os.fsencode(name).decode("utf-8", "replace")


class _Unreadable(Exception):
    """A file is no audio that can be read; the message goes on behind its name."""


def _raw_of(suffix: str, data: bytes) -> RawFormat | None:
    """Return how a file without a header is coded, from its name."""
    coding = _RAW_BY_SUFFIX.get(suffix)
    has_header = data[:4] in (b"RIFF", b"OggS", b"fLaC", b".snd", b"FORM", b"caff")
    return RawFormat(coding=coding, rate=_rate_of(coding)) if coding and not has_header else None


def _rate_of(coding: str) -> int:
    return 16_000 if coding == "g722" else 8000


def _decoded(data: bytes, raw: RawFormat | None, suffix: str) -> DecodedAudio:
    if not data:
        raise _Unreadable("is empty")
    if raw is not None:
        read = _raw_by_libsndfile if raw.coding in _LIBSNDFILE_RAW else _raw_by_pyav
        return _checked(read(data, raw))
    if suffix == ".raw":
        raise _Unreadable("has no header: say how it is coded, such as ulaw,8000,2")
    header = read_header(data)
    remarks: tuple[str, ...] = ()
    if header is not None and not header.whole:
        data = header.rebuilt() + data[header.data_at :]
        remarks = ("its header does not say how long it is; all of it was read",)
    found = _by_libsndfile(data) or _by_pyav(data)
    if found is None:
        raise _Unreadable(_told(header))
    return _checked(replace(found, remarks=remarks))


def _told(header: WavHeader | None) -> str:
    if header is None:
        return "is not audio that can be read (WAV, FLAC, OGG, MP3, M4A, AMR …)"
    return f"is WAV coded as {header.coding_name}, which cannot be read; convert it to WAV or FLAC"


def _checked(found: DecodedAudio) -> DecodedAudio:
    samples = found.samples
    if not len(samples):
        raise _Unreadable("has no samples")
    if samples.shape[1] > MOST_CHANNELS:
        raise _Unreadable(f"has {samples.shape[1]} channels; a call has one or two")
    samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(np.max(np.abs(samples)))
    if peak > 1.0:  # floats of any scale are written; squares of 1e30 would overflow
        samples = samples / np.float32(peak)
    return replace(found, samples=samples)


# ------------------------------------------------------------------ libsndfile


def _by_libsndfile(data: bytes) -> DecodedAudio | None:
    """Return what libsndfile reads; None where it reads nothing."""
    try:
        with sf.SoundFile(io.BytesIO(data)) as file:
            return _read(file)
    except (sf.SoundFileError, RuntimeError, TypeError):
        return None


def _read(file: sf.SoundFile) -> DecodedAudio:
    if file.channels > MOST_CHANNELS:
        raise _Unreadable(f"has {file.channels} channels; a call has one or two")
    parts: list[Pcm] = []
    length = 0
    while len(part := file.read(BLOCK, dtype="float32", always_2d=True)):  # some codings cannot be sought in
        parts.append(part)
        length += len(part)
        _check_length(length / file.samplerate)
    samples = np.concatenate(parts) if parts else np.zeros((0, file.channels), np.float32)
    return DecodedAudio(samples=samples, rate=file.samplerate, coding=file.subtype.lower())


def _check_length(seconds: float) -> None:
    if seconds > LONGEST_S:
        raise _Unreadable(f"is longer than {LONGEST_S / 3600:.0f} h; cut it")


# ------------------------------------------------------------------ PyAV


def _by_pyav(data: bytes) -> DecodedAudio | None:
    """Return what FFmpeg reads; None where it reads nothing."""
    import av  # noqa: PLC0415 (FFmpeg; few files need it)

    try:
        with av.open(io.BytesIO(data), mode="r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            return _collected(container.decode(stream), stream.codec_context.name)
    except (av.FFmpegError, ValueError, EOFError):
        return None


def _collected(frames: Iterator[Any], coding: str) -> DecodedAudio:
    """Put decoded frames together; those behind damage are left out by FFmpeg."""
    import av  # noqa: PLC0415

    parts: list[Pcm] = []
    rate, length, resampler = 0, 0, None
    for frame in frames:
        if resampler is None:
            rate = frame.sample_rate
            resampler = av.AudioResampler(format="fltp", layout=frame.layout, rate=rate)
        for piece in resampler.resample(frame):
            parts.append(np.asarray(piece.to_ndarray(), np.float32))
            length += parts[-1].shape[1]
            _check_length(length / rate)
    samples = np.concatenate(parts, axis=1).T if parts else np.zeros((0, 1), np.float32)
    return DecodedAudio(samples=np.ascontiguousarray(samples, np.float32), rate=rate or 8000, coding=coding)


# ------------------------------------------------------------------ files without a header


def _raw_by_libsndfile(data: bytes, raw: RawFormat) -> DecodedAudio:
    with sf.SoundFile(
        io.BytesIO(data), samplerate=raw.rate, channels=raw.channels, format="RAW",
        subtype=_LIBSNDFILE_RAW[raw.coding], endian="BIG" if raw.coding == "s16be" else "LITTLE",
    ) as file:  # fmt: skip
        return _read(file)


def _raw_by_pyav(data: bytes, raw: RawFormat) -> DecodedAudio:
    import av  # noqa: PLC0415

    if raw.channels != 1:
        raise _Unreadable(f"is said to be {raw.coding} of {raw.channels} channels; it has one")
    context: Any = av.CodecContext.create(_CODEC_OF[raw.coding], "r")
    context.sample_rate = raw.rate
    context.layout = "mono"
    if raw.coding.startswith("g726"):
        context.options = {"code_size": "4"}
    size = GSM_FRAME if raw.coding == "gsm" else 160  # the others are a stream of codes
    whole = len(data) - (len(data) % size if raw.coding == "gsm" else 0)
    pieces = (data[at : at + size] for at in range(0, whole, size))

    def frames() -> Iterator[Any]:
        for piece in pieces:
            yield from context.decode(av.Packet(piece))

    try:
        return _collected(frames(), raw.coding)
    except (av.FFmpegError, ValueError) as error:
        raise _Unreadable(f"is no {raw.coding} audio") from error
