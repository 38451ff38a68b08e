"""Rendered dialogues through real recognition: what is left in the text, and what another recogniser hears.

Digits count as left where three or more of a value's stand in a row in what is read or heard while it is
spoken. The second recogniser also hears the recordings uncut, so that a low figure means something.
"""

from __future__ import annotations

import asyncio
import random
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
from benchmarks.redaction.rendered import RenderedCall, Spoken, render
from pipeline.cli.logs import configure_logs
from pipeline.cli.redact_audio import RedactedCall, redact_recordings, write_cut
from pipeline.config import LogSettings, load_settings
from scripts.finetune.bundled.vocoder import VocoderVoice

WHISPER_RATE = 16_000
IN_A_ROW = 3
AROUND_S = 0.6
"""Before and behind a value, s: the second recogniser hears this as well."""


@dataclass(slots=True)
class _Counts:
    """What is counted, over all calls: digits, values, and s of sound."""

    digits: int = 0
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


def sound(calls: int, syllables: Path | None, second: str, cache: Path) -> dict[str, Any]:
    """Render, redact, cut and hear again.

    Args:
        calls: how many.
        syllables: folder of recorded syllables (see :class:`VocoderVoice`).
        second: name of a model, or a folder.
        cache: file that keeps the analysis of the syllables.

    Raises:
        SystemExit: there are no syllables.
    """
    if syllables is None:
        raise SystemExit("--syllables: say where the recorded syllables are")
    voice, rng = VocoderVoice(syllables, cache), random.Random(SEED)
    counts = _Counts()
    with tempfile.TemporaryDirectory() as folder:
        rendered = {
            path: render(dialogue, voice, path, rng)
            for number, dialogue in enumerate(Corpus(SEED + 2).dialogues(calls))
            for path in [Path(folder) / f"{number:04}.wav"]
        }
        redacted = _redacted(list(rendered))
        model = WhisperModel(
            str(find_recogniser(second, Path(MODELS_DIR)).path), device="cpu", compute_type="int8"
        )
        for path, call in rendered.items():
            cut = path.with_suffix(".cut.wav")
            write_cut(path, redacted[path], cut, None)
            _count(counts, call, redacted[path], _samples(path), _samples(cut), model)
    return _shares(counts, calls)


def _redacted(paths: Sequence[Path]) -> dict[Path, RedactedCall]:
    found: dict[Path, RedactedCall] = {}
    settings = load_settings(None, {"profiles": {"default": {"redaction": {"enabled": True}}}})

    def done(path: Path, call: RedactedCall) -> None:
        found[path] = call

    configure_logs(LogSettings(level="warning"))
    asyncio.run(redact_recordings(paths, settings, None, done, lambda _path, _seconds: None))
    return found


def _samples(path: Path) -> tuple[NDArray[np.float32], int]:
    samples, rate = sf.read(path, dtype="float32", always_2d=True)
    return samples, rate


def _count(
    counts: _Counts,
    call: RenderedCall,
    redacted: RedactedCall,
    whole: tuple[NDArray[np.float32], int],
    cut: tuple[NDArray[np.float32], int],
    model: WhisperModel,
) -> None:
    samples, rate = cut
    personal = np.zeros(samples.shape, bool)
    for value in call.values:
        first, last = int(value.start * rate), int(value.end * rate)
        personal[first:last, value.channel] = True
        silent = samples[first:last, value.channel] == 0.0
        counts.values += 1
        counts.silent_values += bool(silent.all())
        counts.value_s += silent.size / rate
        counts.value_heard_s += (silent.size - silent.sum()) / rate
        row = counts.by_category.setdefault(value.category, [0, 0])
        row[0] += silent.size
        row[1] += int(silent.sum())
        _count_digits(counts, value, redacted, whole, cut, model)
    for turn in call.turns:
        first, last = int(turn.start * rate), int(turn.end * rate)
        other = ~personal[first:last, turn.channel]
        counts.other_s += other.sum() / rate
        counts.other_silent_s += (other & (samples[first:last, turn.channel] == 0.0)).sum() / rate


def _count_digits(
    counts: _Counts,
    value: Spoken,
    redacted: RedactedCall,
    whole: tuple[NDArray[np.float32], int],
    cut: tuple[NDArray[np.float32], int],
    model: WhisperModel,
) -> None:
    digits = digits_of(value.text)
    if len(digits) < IN_A_ROW:
        return
    texts = (
        turn.text
        for turn in redacted.turns.values()
        if turn.channel == value.channel
        and turn.start_ms / 1000 < value.end
        and turn.end_ms / 1000 > value.start
    )
    counts.digits += len(digits)
    counts.read += left(digits, digits_of("".join(texts)))
    counts.heard_uncut += left(digits, _heard(model, whole, value))
    counts.heard_cut += left(digits, _heard(model, cut, value))


def left(digits: str, text: str) -> int:
    """Return how many digits of a value stand in a text, three or more in a row, in their order."""
    blocks = SequenceMatcher(None, digits, text, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= IN_A_ROW)


def _heard(model: WhisperModel, recording: tuple[NDArray[np.float32], int], value: Spoken) -> str:
    """Return the digits that a recogniser hears while a value is spoken."""
    samples, rate = recording
    first, last = int(max(0.0, value.start - AROUND_S) * rate), int((value.end + AROUND_S) * rate)
    piece = samples[first:last, value.channel]
    if not piece.any():
        return ""
    pcm = np.asarray(soxr.resample(piece, rate, WHISPER_RATE), np.float32)
    segments, _info = model.transcribe(
        pcm, language="yue" if model.model.n_mels == 128 else "zh", beam_size=1, without_timestamps=True,
        condition_on_previous_text=False,
    )  # fmt: skip
    return digits_of("".join(segment.text for segment in segments))


def _shares(counts: _Counts, calls: int) -> dict[str, Any]:
    return {
        "calls": calls,
        "values": counts.values,
        "digits": counts.digits,
        "digits_hidden_in_text": _share(counts.digits - counts.read, counts.digits),
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
