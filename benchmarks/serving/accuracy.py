"""Error rates: raw and read text, by role, with and without telephone noise, padded against exact length.

    python -m benchmarks accuracy
    python -m benchmarks accuracy --model /models/whisper-small --count 200

Also what the width of the beam is worth; how far word times are off, by the CTC head and by the
cross-attention; and what partials are worth: each sentence is read as it grows, every 640 ms, by the head
and by the decoder; error rate against the words said so far, characters shown and later changed, and
processor time.
CER counts characters, MER counts characters for Chinese and words for Latin script; both after the shared
normaliser (``raw``); ``read`` is the form for people, marks and figures included.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.base import AsrRequest
from asr.committing import Committed
from asr.ctc import CTC_FILE
from asr.directory import ModelDirectory
from asr.finding import find_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine
from benchmarks.facts import RESULTS, environment, write_result
from benchmarks.serving.record import StreamRecord, Update
from benchmarks.serving.speech import DEMO, RATE, demo_speech
from benchmarks.serving.word_times import headless, timed_sentences, word_times
from cantonese.reading import reading_form
from cantonese.scoring import scoring_form
from cantonese.spoken import normalize_spoken

Pcm = NDArray[np.float32]
CADENCE = RATE * 64 // 100
PADDED_S = 30.0
BEAMS = (1, 2, 3, 5)


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """What was said, and how it sounds: float32 at 16 kHz."""

    text: str
    pcm: Pcm


def generated(source: str, count: int, seed: int, *, noisy: bool) -> list[Sentence]:
    """Return held-out sentences by held-out voices, over a telephone line or straight."""
    from scripts.finetune.tiny.evaluate import MIN_CHARACTERS, speak, telephone_line  # noqa: PLC0415
    from scripts.finetune.tiny.synth import Voice  # noqa: PLC0415 (with the synthesiser)
    from scripts.finetune.tiny.texts import Texts  # noqa: PLC0415

    texts, rng = Texts(evaluation=True), random.Random(f"{source}/{seed}")
    noise = np.random.default_rng(seed)
    found: list[Sentence] = []
    while len(found) < count:
        text = texts.draw(rng, source).text
        pcm = speak(text, Voice.random(rng, held_out=True), None)
        if len(scoring_form(text)) < MIN_CHARACTERS or not 0.3 * 8000 < len(pcm) < 9.6 * 8000:
            continue
        margin = np.zeros(2000, np.float32)
        straight = np.asarray(soxr.resample(np.concatenate([margin, pcm, margin]), 8000, RATE), np.float32)
        found.append(Sentence(text, telephone_line(noise, pcm) if noisy else straight))
    return found


def demo_sentences(channel: int) -> list[Sentence]:
    """Return one party's sentences of the bundled call."""
    speech = demo_speech(channel)
    pcm = speech.floats
    return [Sentence(s.text, pcm[max(0, s.start_ms * 16 - 4000) : s.end_ms * 16 + 4000]) for s in speech.said]


def errors(sentences: Sequence[Sentence], written: Sequence[str]) -> dict[str, float]:
    """Return CER and MER, raw and as read."""
    from scripts.finetune.recogniser.scores import mixed_tokens  # noqa: PLC0415 (with the training tools)

    said = [normalize_spoken(sentence.text) for sentence in sentences]
    read_said, read = [reading_form(text) for text in said], [reading_form(text) for text in written]
    return {
        "cer_raw": _rate(map(scoring_form, said), map(scoring_form, written)),
        "mer_raw": _rate(map(mixed_tokens, said), map(mixed_tokens, written)),
        "cer_read": _rate(read_said, read),
    }


def _rate(said: Iterable[Sequence[str]], written: Iterable[Sequence[str]]) -> float:
    """Return edits for each unit said."""
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 (with the training tools)

    pairs = list(zip(said, written, strict=True))
    edits = sum(Levenshtein.distance(a, b) for a, b in pairs)
    return round(edits / max(1, sum(len(a) for a, _b in pairs)), 4)


def finals(engine: WhisperEngine, sentences: Sequence[Sentence]) -> list[str]:
    """Return what the recogniser writes, as finals."""
    return [engine.transcribe([AsrRequest(pcm=s.pcm, final=True)])[0].text for s in sentences]


def beams(directory: ModelDirectory, device: str, sentences: Sequence[Sentence]) -> dict[str, Any]:
    """Return error rate and cost of finals by width of the beam; 1 is greedy."""
    seconds = sum(len(sentence.pcm) for sentence in sentences) / RATE
    told = {}
    for width in BEAMS:
        engine = WhisperEngine(directory, WhisperOptions(device=device, beam_size=width))
        before = time.process_time()
        written = finals(engine, sentences)
        spent = time.process_time() - before
        told[str(width)] = {
            "cer_raw": errors(sentences, written)["cer_raw"],
            "ms_per_speech_second": round(spent * 1000 / seconds, 2),
        }
    return told


def partials(engine: WhisperEngine, sentences: Sequence[Sentence]) -> dict[str, float]:
    """Return cost, stability and error rate of partials, trimmed as the server trims them."""
    changed = shown = 0
    spent, seconds, last_texts = 0.0, 0.0, []
    for sentence in sentences:
        committed, record, text = Committed(0), StreamRecord(said=()), ""
        for end in range(CADENCE, len(sentence.pcm) + CADENCE, CADENCE):
            end = min(end, len(sentence.pcm))  # noqa: PLW2901 (the last one is shorter)
            window = (committed.window_start, end)
            before = time.process_time()
            result = engine.transcribe([AsrRequest(pcm=sentence.pcm[window[0] : end], final=False)])[0]
            text = committed.take(result.words, window) if result.words else result.text
            spent += time.process_time() - before
            record.updates.append(
                Update(at=0, covers_ms=0, final=end == len(sentence.pcm), text=text, key="s")
            )
        a, b = record.changed_characters()
        changed, shown = changed + a, shown + b
        seconds += len(sentence.pcm) / RATE
        last_texts.append(text)
    return {
        "cer_of_the_last_partial": errors(sentences, last_texts)["cer_raw"],
        "changed_characters_per_character": round(changed / max(1, shown), 3),
        "ms_per_speech_second": round(spent * 1000 / seconds, 2),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything."""
    directory = find_recogniser(options.model, Path("~/.local/share/yuetone/models"))
    exact = _engine(directory, options)
    by_role = {
        role: errors(said, finals(exact, said))
        for channel, role in enumerate(("customer", "agent"))
        for said in [demo_sentences(channel)]
    }
    result: dict[str, Any] = {"bundled call by role": by_role}
    if options.smoke:
        result["partials"] = _partials(directory, options, demo_sentences(0)[:2])
        result["beams"] = beams(directory, options.device, demo_sentences(0)[:2])
        return result
    heard: list[Sentence] = []
    padded = _engine(replace(directory, min_context_s=PADDED_S), options)
    for source in ("service", "hkcancor", "figures", "corpus"):
        noisy = generated(source, options.count, options.seed, noisy=True)
        heard += noisy
        straight = generated(source, options.count, options.seed, noisy=False)
        result[source] = {
            "telephone": errors(noisy, finals(exact, noisy)),
            "straight": errors(straight, finals(exact, straight)),
            "telephone, padded to 30 s": errors(noisy, finals(padded, noisy)),
        }
        print(source, json.dumps(result[source]), flush=True)
    result["beams"] = beams(directory, options.device, heard)
    result["partials"] = {
        source: _partials(directory, options, generated(source, options.count, options.seed, noisy=True))
        for source in ("service", "hkcancor")
    }
    result["word_times"] = _word_times(directory, options)
    return result


def _word_times(directory: ModelDirectory, options: argparse.Namespace) -> dict[str, Any]:
    with headless(directory) as other:
        engines = {"cross-attention": _engine(other, options)}
        if (directory.path / CTC_FILE).is_file():
            engines["ctc"] = _engine(directory, options)
        return word_times(engines, timed_sentences(options.count, options.seed))


def _engine(directory: ModelDirectory, options: argparse.Namespace, partials: Any = "auto") -> WhisperEngine:
    return WhisperEngine(directory, WhisperOptions(device=options.device, partials=partials))


def _partials(
    directory: ModelDirectory, options: argparse.Namespace, sentences: list[Sentence]
) -> dict[str, Any]:
    kinds = ["decoder", *(["ctc"] if (directory.path / CTC_FILE).is_file() else [])]
    return {kind: partials(_engine(directory, options, kind), sentences) for kind in kinds}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny", help="recogniser: name or directory")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where it runs")
    parser.add_argument("--count", type=int, default=100, help="sentences in each set")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help=f"only {DEMO.name}: does it work at all?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    options = parser.parse_args()
    names = ("model", "device", "count", "seed", "smoke")
    result = {
        "benchmark": "accuracy",
        **{name: getattr(options, name) for name in names},
        **run(options),
        "environment": environment(),
    }
    print(json.dumps(result, indent=1, ensure_ascii=False))
    print(write_result("accuracy", result, options.out))


if __name__ == "__main__":
    main()
