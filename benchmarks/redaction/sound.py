"""Calls through real recognition: what is left in the text, and what another recogniser hears of the sound.

Digits count as left where three or more of a value's stand in a row in what is read or heard while it is
spoken. The server also reads the calls without hiding anything, and the second recogniser also hears them
uncut, so that a low figure means something.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from asr.finding import MODELS_DIR, find_recogniser
from benchmarks.redaction.generate import SEED, Corpus
from benchmarks.redaction.live import digits_of
from benchmarks.redaction.real_digits import WORDS, real_calls
from benchmarks.redaction.rendered import RenderedCall, Spoken
from models.registry import BUNDLED
from pipeline.cli.logs import configure_logs
from pipeline.cli.redact_audio import RedactedCall, redact_recordings, write_cut
from pipeline.config import LogSettings, load_settings

WHISPER_RATE = 16_000
IN_A_ROW = 3
AROUND_S = 0.6
"""Before and behind a value, s: the second recogniser hears this as well."""


@dataclass(slots=True)
class _Counts:
    """What is counted, over all calls: digits, values, and s of sound."""

    digits: int = 0
    recognised: int = 0
    read: int = 0
    heard_uncut: int = 0
    heard_cut: int = 0
    values: int = 0
    silent_values: int = 0
    value_s: float = 0.0
    value_heard_s: float = 0.0
    other_s: float = 0.0
    other_silent_s: float = 0.0
    by_category: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Recording:
    """Samples, float32, shape (n, channels), and their rate, Hz."""

    samples: NDArray[np.float32]
    rate: int

    @classmethod
    def read(cls, path: Path) -> _Recording:
        return cls(*sf.read(path, dtype="float32", always_2d=True))

    def part(self, spoken: Spoken, around_s: float = 0.0) -> NDArray[np.float32]:
        """Return what is heard while something is spoken, shape (n,)."""
        first = int(max(0.0, spoken.start - around_s) * self.rate)
        return self.samples[first : int((spoken.end + around_s) * self.rate), spoken.channel]


@dataclass(frozen=True, slots=True)
class _Listener:
    """The second recogniser."""

    model: WhisperModel
    language: str

    def digits(self, recording: _Recording, value: Spoken) -> str:
        """Return the digits that are heard while a value is spoken."""
        piece = recording.part(value, AROUND_S)
        if not piece.any():
            return ""
        pcm = np.asarray(soxr.resample(piece, recording.rate, WHISPER_RATE), np.float32)
        segments, _info = self.model.transcribe(
            pcm, language=self.language, beam_size=1, without_timestamps=True,
            condition_on_previous_text=False,
        )  # fmt: skip
        return _digits("".join(segment.text for segment in segments))


def sound(calls: int, syllables: Path | None, second: str, cache: Path) -> dict[str, Any]:
    """Speak generated dialogues in synthetic voices, redact, cut and hear again.

    Args:
        calls: how many.
        syllables: folder of recorded syllables (see :class:`VocoderVoice`).
        second: name of a model, or a folder.
        cache: file that keeps the analysis of the syllables.

    Raises:
        SystemExit: there are no syllables.
    """
    from benchmarks.redaction.rendering import render  # noqa: PLC0415 (needs the training libraries)
    from scripts.finetune.bundled.vocoder import VocoderVoice  # noqa: PLC0415 (the same)

    if syllables is None:
        raise SystemExit("--syllables: say where the recorded syllables are")
    voice, rng = VocoderVoice(syllables, cache), random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        spoken = [
            render(dialogue, voice, Path(folder) / f"{number:04}.wav", rng)
            for number, dialogue in enumerate(Corpus(SEED + 2).dialogues(calls))
        ]
        return {"speech": "synthetic", **_measured(spoken, second, "zh")}


def digits(calls: int, clips: Path | None, sentences: Path | None, second: str) -> dict[str, Any]:
    """Let real people dictate numbers to a server with the second recogniser's weights, and hear them again.

    Args:
        calls: how many.
        clips: folder of recorded digits (see :func:`real_calls`).
        sentences: folder of read sentences.
        second: name of a model, or a folder.

    Raises:
        SystemExit: a folder is not given.
    """
    if clips is None or sentences is None:
        raise SystemExit("--digits and --sentences: say where the recordings are")
    with tempfile.TemporaryDirectory() as folder:
        spoken = list(real_calls(clips, sentences, calls, Path(folder), random.Random(SEED)))
        return {"speech": "real, English", **_measured(spoken, second, "en", model=second)}


def _measured(
    calls: Sequence[RenderedCall], second: str, language: str, *, model: str | None = None
) -> dict[str, Any]:
    """Redact calls by a server, cut their sound, and let a second recogniser listen.

    Args:
        calls: recordings, and what is said in them.
        second: the second recogniser.
        language: for it.
        model: of the server, which then hears that language as well; None for the bundled one.
    """
    profile = {"language": language} if model else {}
    settings = {"asr": {"model": str(_folder(model)) if model else BUNDLED}}
    paths, counts = [call.path for call in calls], _Counts()
    redacted = _through_a_server(paths, {**settings, "profiles": {"default": profile}})
    plain = {**profile, "redaction": {"enabled": False}}
    unhidden = _through_a_server(paths, {**settings, "profiles": {"default": plain}})
    listener = _Listener(WhisperModel(str(_folder(second)), device="cpu", compute_type="int8"), language)
    for call in calls:
        cut = call.path.with_suffix(".cut.wav")
        write_cut(call.path, redacted[call.path], cut, None)
        _count_sound(counts, call, _Recording.read(cut))
        for value in call.values:
            digits_said = _digits(value.text)
            if len(digits_said) < IN_A_ROW:
                continue
            counts.digits += len(digits_said)
            counts.recognised += left(digits_said, _read(unhidden[call.path], value))
            counts.read += left(digits_said, _read(redacted[call.path], value))
            counts.heard_uncut += left(digits_said, listener.digits(_Recording.read(call.path), value))
            counts.heard_cut += left(digits_said, listener.digits(_Recording.read(cut), value))
    return _shares(counts, len(calls))


def _folder(model: str) -> Path:
    return find_recogniser(model, Path(MODELS_DIR)).path


def _through_a_server(paths: Sequence[Path], settings: dict[str, Any]) -> dict[Path, RedactedCall]:
    found: dict[Path, RedactedCall] = {}

    def done(path: Path, call: RedactedCall) -> None:
        found[path] = call

    configure_logs(LogSettings(level="warning"))
    chosen = load_settings(None, settings)
    asyncio.run(redact_recordings(paths, chosen, None, done, lambda _path, _seconds: None))
    return found


def _count_sound(counts: _Counts, call: RenderedCall, cut: _Recording) -> None:
    """Count what is silent of values, and of other speech."""
    personal = _Recording(np.zeros_like(cut.samples), cut.rate)
    for value in call.values:
        personal.part(value)[:] = 1.0
        silent = cut.part(value) == 0.0
        counts.values += 1
        counts.silent_values += bool(silent.all())
        counts.value_s += silent.size / cut.rate
        counts.value_heard_s += (silent.size - silent.sum()) / cut.rate
        row = counts.by_category.setdefault(value.category, [0, 0])
        row[0] += silent.size
        row[1] += int(silent.sum())
    for turn in call.turns:
        other = personal.part(turn) == 0.0
        counts.other_s += other.sum() / cut.rate
        counts.other_silent_s += (other & (cut.part(turn) == 0.0)).sum() / cut.rate


def _read(call: RedactedCall, value: Spoken) -> str:
    """Return the digits that are read in what was said while a value was spoken."""
    return _digits(
        "".join(
            turn.text
            for turn in call.turns.values()
            if turn.channel == value.channel
            and turn.start_ms / 1000 < value.end
            and turn.end_ms / 1000 > value.start
        )
    )


def left(digits_said: str, text: str) -> int:
    """Return how many digits of a value stand in a text, three or more in a row, in their order."""
    blocks = SequenceMatcher(None, digits_said, text, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= IN_A_ROW)


def _digits(text: str) -> str:
    """Return the digits of a text, English words for them too."""
    for value, word in enumerate(WORDS):
        text = re.sub(rf"\b{word}\b", str(value), text, flags=re.IGNORECASE)
    return digits_of(text)


def _shares(counts: _Counts, calls: int) -> dict[str, Any]:
    return {
        "calls": calls,
        "values": counts.values,
        "digits": counts.digits,
        "digits_recognised": _share(counts.recognised, counts.digits),
        "digits_left_in_text": _share(counts.read, counts.digits),
        "hidden_of_recognised": _share(counts.recognised - counts.read, counts.recognised),
        "digits_second_hears_uncut": _share(counts.heard_uncut, counts.digits),
        "digits_second_hears_cut": _share(counts.heard_cut, counts.digits),
        "values_silent_whole": _share(counts.silent_values, counts.values),
        "value_sound_left": _share(counts.value_heard_s, counts.value_s),
        "other_speech_silenced": _share(counts.other_silent_s, counts.other_s),
        "sound_silent_by_category": {
            name: _share(silent, size) for name, (size, silent) in sorted(counts.by_category.items())
        },
    }


def _share(part: float, whole: float) -> float | None:
    return round(float(part / whole), 4) if whole else None
