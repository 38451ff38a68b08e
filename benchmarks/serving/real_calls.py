"""Streams of real people: recorded sentences joined into calls, and recordings of whole conversations."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from benchmarks.serving.real_speech import Clip, telephone
from benchmarks.serving.speech import LEAD_S, RATE, TAIL_S, Said, Speech
from pipeline.analysis.speakers import utterances
from vad.endpointer import EndpointerSettings
from vad.gated import GatedVad

Pcm = NDArray[np.float32]
LEVEL = 10 ** (-26 / 20)
"""-26 dBov, the active speech level that telephone tests are made at (ITU-T P.56)."""


def read_sentences(folder: Path, wanted: Callable[[str], bool]) -> dict[str, list[tuple[Path, str]]]:
    """Return files and texts of every wanted speaker of a ``manifest.csv`` (file, speaker, transcript).

    Raises:
        SystemExit: there are none.
    """
    found: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["transcript"] and wanted(row["speaker"]):
                found[row["speaker"]].append((folder / row["file"], row["transcript"]))
    if not found:
        raise SystemExit(f"no sentences with transcripts in {folder}")
    return found


def joined_calls(folder: Path, wanted: Callable[[str], bool], seconds: float, talk: float) -> list[Speech]:
    """Return a call for each wanted speaker: sentences over a telephone line, with silence between them.

    Args:
        folder: of recorded sentences.
        wanted: tells which speakers.
        seconds: length of a call without the silence at its ends, at least.
        talk: share of the time with speech.
    """
    detector = GatedVad(1)
    return [
        _joined(list(_trimmed(detector, own)), seconds, talk, random.Random(f"call/{speaker}"))
        for speaker, own in sorted(read_sentences(folder, wanted).items())
    ]


def _trimmed(detector: GatedVad, sentences: list[tuple[Path, str]]) -> Iterator[tuple[Pcm, str]]:
    """Yield each sentence from the first to the last sample in which the voice detector hears speech."""
    for path, text in sentences:
        pcm, rate = sf.read(path, dtype="float32")
        if rate != RATE:
            raise SystemExit(f"{path}: {rate} Hz, not {RATE}")
        pcm = telephone(pcm * np.float32(LEVEL / max(1e-4, float(np.sqrt(np.mean(pcm**2))))))
        spans = speech_spans(pcm, detector)
        if spans:
            yield pcm[spans[0][0] : spans[-1][1]], text


def speech_spans(pcm: Pcm, detector: GatedVad) -> list[tuple[int, int]]:
    """Return (start, end) of speech, the voice detector's margins left out, samples."""
    cuts = EndpointerSettings()
    margin = cuts.pre_roll_ms * RATE // 1000
    return [(e.start + margin, e.speech_end) for _at, e in utterances(pcm, detector, cuts)]


def _joined(sentences: list[tuple[Pcm, str]], seconds: float, talk: float, rng: random.Random) -> Speech:
    parts, said = [np.zeros(int(LEAD_S * RATE), np.float32)], []
    position = len(parts[0])
    for pcm, text in sentences:
        start, position = position, position + len(pcm)
        said.append(Said(start_ms=start * 1000 // RATE, end_ms=position * 1000 // RATE, text=f"{text} "))
        pause = max(0.7 * RATE, len(pcm) * (1 - talk) / talk * rng.uniform(0.5, 1.5))
        parts += [pcm, np.zeros(int(pause), np.float32)]
        position += len(parts[-1])
        if position > (LEAD_S + seconds) * RATE:
            break
    parts.append(np.zeros(int(TAIL_S * RATE), np.float32))
    noise = np.random.default_rng(0).normal(0, LEVEL * 10 ** (-30 / 20), sum(map(len, parts)))
    return _speech(np.concatenate(parts) + noise.astype(np.float32), said)


def conversation(clip: Clip) -> Speech:
    """Return a recorded conversation as a stream; all of its text stands at its first utterance.

    Nobody wrote down when which sentence was said; whole transcripts are compared.
    """
    spans = speech_spans(clip.pcm, GatedVad(1))
    said = [
        Said(start_ms=s * 1000 // RATE, end_ms=e * 1000 // RATE, text=clip.text if not index else "")
        for index, (s, e) in enumerate(spans)
    ]
    return _speech(np.concatenate([clip.pcm, np.zeros(int(TAIL_S * RATE), np.float32)]), said)


def _speech(pcm: Pcm, said: list[Said]) -> Speech:
    return Speech(pcm=np.asarray(np.clip(pcm, -1, 1) * 32767, np.int16), said=tuple(said))
