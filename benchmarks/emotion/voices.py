"""Recordings through the product's own path: a file in, one figure out, as ``yuetone emotion`` gives it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from rich.progress import track

from diarization import Role
from emotion import AgitationSettings, EmotionEngine, VoiceWindow
from emotion.words import load_lexicon
from pipeline.analysis.call import Tools, analyse
from pipeline.analysis.recording import read_audio
from scripts.finetune.emotion.bundled import SEED, ordinary_clips
from scripts.finetune.emotion.scores import agitation_figures, by_emotion
from scripts.finetune.voices.line import Line
from scripts.finetune.voices.sets import Clip, load, read_set
from vad import VadEngine
from vad.endpointer import EndpointerSettings

Pcm = NDArray[np.float32]
RATE = 16_000
BASELINE_CLIPS = 3


class FileJudge:
    """Judges audio as a file.

    Args:
        engine: of the voice.
        vad: the voice detector.
    """

    def __init__(self, engine: EmotionEngine, vad: VadEngine) -> None:
        self._tools = Tools(
            engine=engine,
            vad=vad,
            cuts=EndpointerSettings(),
            lexicon=load_lexicon(),
            agitation=AgitationSettings(),
        )
        self._path = Path(tempfile.mkdtemp()) / "clip.wav"

    def figure(self, pcm: Pcm, subtype: str = "PCM_16") -> float | None:
        """Return the agitation of ``pcm``, written as a WAV file; None without an opinion."""
        sf.write(self._path, np.clip(pcm, -1, 1) if subtype == "PCM_16" else pcm, RATE, subtype=subtype)
        report = analyse(read_audio(self._path).channels, (Role.UNKNOWN,), self._tools)
        return report.channels[0].agitation


def on_line(clip: Clip, *, own: bool = True) -> Pcm:
    """Return a clip on a telephone line, of its own or of its speaker."""
    key = clip.key if own else sum(ord(c) * (i + 1) for i, c in enumerate(clip.speaker))
    line = Line.draw(np.random.default_rng([SEED, 11, key]), training=False)
    return line.carry(np.random.default_rng([SEED, 12, clip.key]), load(clip))


def labelled(
    judge: FileJudge, clips: Sequence[Clip], name: str, change: Callable[[Pcm], Pcm], subtype: str
) -> Any:
    """Return AUC, recall, false alarms and what each emotion is flagged; no opinion counts as calm."""
    found = [judge.figure(change(on_line(clip)), subtype) for clip in track(clips, name, transient=True)]
    return _row(clips, found)


def with_baseline(engine: EmotionEngine, clips: Sequence[Clip], rng: np.random.Generator) -> Any:
    """Return the same behind three ordinary clips of the same speaker on the same line."""
    ordinary: dict[str, list[Clip]] = {}
    for clip in clips:
        if clip.emotion == "neutral":
            ordinary.setdefault(clip.speaker, []).append(clip)
    found: list[float | None] = []
    kept = []
    for clip in track(clips, "with the caller's baseline", transient=True):
        pool = [other for other in ordinary.get(clip.speaker, []) if other.files != clip.files]
        if len(pool) < BASELINE_CLIPS:
            continue
        stream = engine.stream()
        for index in rng.choice(len(pool), BASELINE_CLIPS, replace=False):
            stream.read(VoiceWindow(pcm=on_line(pool[index], own=False)[: 3 * RATE]))
        reading = stream.read(VoiceWindow(pcm=on_line(clip, own=False)[: 3 * RATE]))
        found.append(reading.score if reading.quality > 0 else None)
        kept.append(clip)
    return _row(kept, found)


def _row(clips: Sequence[Clip], found: Sequence[float | None]) -> dict[str, Any]:
    scores = np.array([value or 0.0 for value in found])
    agitated = np.array([clip.agitated for clip in clips], np.float32)
    return {
        **agitation_figures(scores, agitated, [clip.speaker for clip in clips]),
        "flagged": dict(by_emotion(scores, [clip.emotion for clip in clips])),
        "no_opinion": round(float(np.mean([value is None for value in found])), 4),
    }


def false_alarms(judge: FileJudge, data: Path, name: str, count: int) -> dict[str, Any]:
    """Return the share of ordinary files, of speakers that were not trained on, that count as agitated."""
    clips = ordinary_clips(data, name)["test"][:count]
    found = [judge.figure(on_line(clip)) for clip in track(clips, name, transient=True)]
    judged = [value for value in found if value is not None]
    return {
        "files": len(clips),
        "false_alarms": round(float(np.mean([value > 0.5 for value in judged])), 4) if judged else 0.0,
        "no_opinion": len(found) - len(judged),
    }


def ased(judge: FileJudge, engine: EmotionEngine, data: Path, limit: int) -> dict[str, Any]:
    """Return every row of the set that is only measured on."""
    clips = read_set(data / "ased")
    rng = np.random.default_rng(SEED)
    few = [clips[i] for i in rng.permutation(len(clips))[: limit or 600]]
    every = few if limit else clips
    rows: dict[str, Any] = {
        "telephone": labelled(judge, every, "telephone", lambda pcm: pcm, "PCM_16"),
        "telephone, caller's baseline": with_baseline(engine, every, rng),
    }
    for name, gain, subtype in (
        ("600 clips, as they are", 0.0, "FLOAT"),
        ("600 clips, 20 dB louder", 20.0, "FLOAT"),
        ("600 clips, 20 dB softer", -20.0, "FLOAT"),
        ("600 clips, 20 dB softer, 16 bit", -20.0, "PCM_16"),
        ("600 clips, 20 dB louder, 16 bit, clipped", 20.0, "PCM_16"),
    ):
        rows[name] = labelled(judge, few, name, _gain(gain), subtype)
    return rows


def _gain(decibel: float) -> Callable[[Pcm], Pcm]:
    return lambda pcm: np.asarray(pcm * 10 ** (decibel / 20), np.float32)
