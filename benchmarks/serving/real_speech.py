"""Real people: error rate, speech without text, texts that run away, and cost, over lengths of context.

    python -m benchmarks real --clips CLIPS --model bundled
    python -m benchmarks real --clips CLIPS --model whisper-base --context 30 10 0

CLIPS is a folder of recordings, each with its human transcript beside it: ``d2.mp3`` and ``d2_h.txt`` (lines
``A: what was said``). Recordings pass a telephone line (8 kHz, mu-law) and the live voice detector cuts them.
Writes benchmarks/results/real.json.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from asr.base import AsrRequest
from asr.context import NO_GUARDS, runs_away
from asr.directory import ModelDirectory
from asr.finding import MODELS_DIR, find_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine
from benchmarks.facts import RESULTS, environment, write_result
from cantonese.scoring import character_error_rate, scoring_form
from client.spreading import spread
from pipeline.analysis.speakers import utterances
from scripts.finetune.recogniser.line import codec_round_trip, to_narrow, to_wide
from vad.endpointer import EndpointerSettings
from vad.gated import GatedVad

Pcm = NDArray[np.float32]
RATE = 16_000
AUDIO = (".wav", ".mp3", ".flac", ".ogg", ".opus")
_LINE = re.compile(r"^[A-Z][:：﹕]\s*(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """A recording and what was said in it.

    Attributes:
        name: of the file.
        pcm: float32 mono at 16 kHz.
        text: in scoring form.
        parts: (start, end) of utterances, samples.
    """

    name: str
    pcm: Pcm
    text: str
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one model made of one clip.

    Attributes:
        cer: character error rate.
        cer_unguarded: the same with every guard off.
        without_text: share of the speech that got no text.
        runaway: share of utterances whose unguarded text runs away.
        cpu_s_per_s: processor seconds a second of speech.
        utterances: how many.
    """

    cer: float
    cer_unguarded: float
    without_text: float
    runaway: float
    cpu_s_per_s: float
    utterances: int


def read_transcript(path: Path) -> str:
    """Return what a transcript says, speakers and notes left out, in scoring form."""
    found = (_LINE.match(line.strip()) for line in path.read_text("utf-8").splitlines())
    return scoring_form("".join(match.group(1) for match in found if match))


def telephone(pcm: Pcm) -> Pcm:
    """Return 16 kHz audio as it comes out of a telephone line: 8 kHz, G.711 mu-law."""
    return to_wide(codec_round_trip(np.clip(to_narrow(pcm), -1, 1), "ULAW"))


def read_clips(folder: Path) -> list[Clip]:
    """Return the clips of a folder.

    Raises:
        SystemExit: there are none.
    """
    clips = []
    vad = GatedVad(1)
    for path in sorted(folder.iterdir()):
        transcript = path.with_name(f"{path.stem}_h.txt")
        if path.suffix not in AUDIO or not transcript.is_file():
            continue
        raw, rate = sf.read(path, dtype="float32", always_2d=True)
        pcm = telephone(np.asarray(soxr.resample(raw.mean(axis=1), rate, RATE), np.float32))
        parts = tuple((ended.start, ended.end) for _at, ended in utterances(pcm, vad, EndpointerSettings()))
        clips.append(Clip(name=path.stem, pcm=pcm, text=read_transcript(transcript), parts=parts))
    if not clips:
        raise SystemExit(f"no recordings with transcripts (NAME_h.txt) in {folder}")
    return clips


def measure(engine: WhisperEngine, bare: WhisperEngine, clip: Clip) -> Figures:
    """Return the figures of one clip.

    Args:
        engine: as it is served.
        bare: the same without guards.
        clip: what is heard.
    """
    requests = [AsrRequest(pcm=clip.pcm[start:end], final=True) for start, end in clip.parts]
    began = time.process_time()
    texts = [scoring_form(engine.transcribe([request])[0].text) for request in requests]
    spent = time.process_time() - began
    free = [scoring_form(bare.transcribe([request])[0].text) for request in requests]
    seconds = [len(request.pcm) / RATE for request in requests]
    silent = sum(length for length, text in zip(seconds, texts, strict=True) if not text)
    wild = sum(runs_away(text, length) for text, length in zip(free, seconds, strict=True))
    return Figures(
        cer=round(character_error_rate([clip.text], ["".join(texts)]), 4),
        cer_unguarded=round(character_error_rate([clip.text], ["".join(free)]), 4),
        without_text=round(silent / sum(seconds), 4),
        runaway=round(wild / len(requests), 4),
        cpu_s_per_s=round(spent / sum(seconds), 4),
        utterances=len(requests),
    )


@dataclass(frozen=True, slots=True)
class Measuring:
    """Makes what measures a clip, once in each process.

    Attributes:
        directory: directory of the model.
        options: options of the recogniser.
    """

    directory: ModelDirectory
    options: WhisperOptions

    def __call__(self) -> Callable[[Clip], Figures]:
        """Load the model, as it is served and without guards."""
        engine = WhisperEngine(self.directory, self.options)
        bare = WhisperEngine(self.directory, replace(self.options, guards=NO_GUARDS))
        return functools.partial(measure, engine, bare)


def measure_all(
    directory: ModelDirectory,
    clips: Sequence[Clip],
    options: WhisperOptions,
    *,
    processes: int = 1,
    ray: str | None = None,
) -> dict[str, Any]:
    """Return the figures of a model over all clips: one row each, and the mean error rate over characters."""
    found = dict(spread(Measuring(directory, options), clips, processes=processes, ray=ray))
    rows = {clip.name: found[number] for number, clip in enumerate(clips)}
    characters = sum(len(clip.text) for clip in clips)
    mean = {
        name: round(sum(getattr(rows[clip.name], name) * len(clip.text) for clip in clips) / characters, 4)
        for name in ("cer", "cer_unguarded", "without_text", "runaway", "cpu_s_per_s")
    }
    return {"mean": mean, "clips": {name: asdict(row) for name, row in rows.items()}}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder of recordings and transcripts")
    parser.add_argument("--model", nargs="+", default=["bundled"], help="names or CTranslate2 directories")
    parser.add_argument("--models-dir", type=Path, default=Path(MODELS_DIR))
    parser.add_argument("--context", nargs="+", type=float, help="shortest inputs in s; else as declared")
    parser.add_argument("--language", help="Whisper code; the model's own otherwise")
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="how many processes recognise; processor time is counted in each",
    )
    parser.add_argument("--ray", help="Ray cluster that hears them: host:port, auto, or local to start one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for real.json")
    return parser.parse_args()


def main() -> None:
    """Measure and write the result."""
    options = arguments()
    clips = read_clips(options.clips.expanduser())
    found: dict[str, Any] = {}
    for model in options.model:
        directory = find_recogniser(model, options.models_dir)
        if options.language:
            directory = replace(directory, language=options.language)
        for context in options.context or [directory.min_context_s]:
            name = f"{directory.name}, at least {context:g} s"
            chosen = replace(directory, min_context_s=context)
            heard = WhisperOptions(compute_type="int8")
            found[name] = measure_all(chosen, clips, heard, processes=options.processes, ray=options.ray)
            print(json.dumps({name: found[name]}, ensure_ascii=False), flush=True)
    write_result("real", {"benchmark": "real", **environment(), "models": found}, options.out)


if __name__ == "__main__":
    main()
