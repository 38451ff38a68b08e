"""Character error rates of a CTranslate2 directory on held-out sentences and voices.

    python -m scripts.finetune.tiny.evaluate --model asr/tiny --count 200
    python -m scripts.finetune.tiny.evaluate --model asr/tiny --espeak /usr/bin/espeak-ng

The sets: ``service`` (generated customer service), ``hkcancor`` (real spoken Cantonese), ``figures``
(dictated numbers, names, addresses), ``corpus`` (other Cantonese sentences); spoken by espeak-ng variants
that training never used, over an 8 kHz µ-law line. ``--espeak`` speaks with another build of espeak-ng.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from asr.base import AsrRequest
from asr.directory import read_recogniser
from asr.options import BEAM_SIZE, WhisperOptions
from asr.whisper import WhisperEngine
from cantonese.scoring import character_error_rate, scoring_form
from scripts.finetune.recogniser.line import add_noise, codec_round_trip
from scripts.finetune.tiny.synth import Voice, synthesiser
from scripts.finetune.tiny.texts import Texts

SETS = ("service", "hkcancor", "figures", "corpus")
MAX_SECONDS = 9.6  # what the segmenter lets through as one utterance
MIN_CHARACTERS = 3


def speak(text: str, voice: Voice, espeak: str | None) -> NDArray[np.float32]:
    """Return ``text`` as heard at 8 kHz, by the bundled espeak-ng or by another program."""
    if espeak is None:
        pcm, rate = synthesiser().speak(text, voice), synthesiser().sample_rate
    else:
        settings = ["-v", voice.name, "-s", str(voice.rate), "-p", str(voice.pitch), "--stdout"]
        wave = subprocess.run([espeak, *settings, text], capture_output=True, check=True).stdout  # noqa: S603
        pcm, rate = sf.read(io.BytesIO(wave), dtype="float32")
    return np.asarray(soxr.resample(pcm, rate, 8000), np.float32)


def telephone_line(rng: np.random.Generator, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``pcm`` with margins of 0.25 s, line noise at 30 dB and µ-law coding, at 16 kHz."""
    level = np.float32(10 ** (rng.uniform(-20, -3) / 20) / max(1e-3, float(np.abs(pcm).max())))
    margin = np.zeros(2000, np.float32)
    line = add_noise(rng, np.concatenate([margin, pcm * level, margin]), 30.0)
    coded = codec_round_trip(np.clip(line, -1, 1), "ULAW")
    return np.asarray(soxr.resample(coded, 8000, 16_000), np.float32)


def examples(source: str, count: int, seed: int, espeak: str | None) -> list[tuple[str, NDArray[np.float32]]]:
    """Return ``count`` held-out sentences of ``source`` and their audio."""
    texts, rng = Texts(evaluation=True), random.Random(f"{source}/{seed}")
    noise = np.random.default_rng(seed)
    out: list[tuple[str, NDArray[np.float32]]] = []
    while len(out) < count:
        text = texts.draw(rng, source).text
        voice = Voice.random(rng, held_out=True)
        pcm = speak(text, voice, espeak)
        if len(scoring_form(text)) >= MIN_CHARACTERS and len(pcm) < MAX_SECONDS * 8000:
            out.append((text, telephone_line(noise, pcm)))
    return out


def main() -> None:
    """Print one JSON object: error rates by set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="CTranslate2 directory")
    parser.add_argument("--count", type=int, default=200, help="sentences in each set")
    parser.add_argument("--beam", type=int, default=BEAM_SIZE, help="beam size; 1 is greedy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--espeak", help="another espeak-ng program to speak with")
    parser.add_argument("--show", type=int, default=0, help="print this many sentences of each set")
    options = parser.parse_args()
    engine = WhisperEngine(read_recogniser(options.model), WhisperOptions(beam_size=options.beam))
    report: dict[str, float] = {}
    for source in SETS:
        said, written = [], []
        for text, pcm in examples(source, options.count, options.seed, options.espeak):
            (result,) = engine.transcribe([AsrRequest(pcm=pcm, final=True)])
            said.append(text)
            written.append(result.text)
        report[source] = round(character_error_rate(said, written), 4)
        for reference, hypothesis in list(zip(said, written, strict=True))[: options.show]:
            print(f"{source}  {scoring_form(reference)}  →  {scoring_form(hypothesis)}")
    print(
        json.dumps({"model": options.model.name, "count": options.count, "beam": options.beam, "cer": report})
    )


if __name__ == "__main__":
    main()
