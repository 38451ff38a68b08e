"""Sound in which nobody speaks, or nobody whom the model knows: how much text a recogniser invents.

    python -m benchmarks nothing --model bundled whisper-base
    python -m benchmarks nothing --model whisper-base --minutes 60 --data DATA

Sounds pass a telephone line and the live voice detector, then the recogniser as it is served. Without the
voice detector (``--whole``) they are cut into pieces of 5 s. DATA holds sets of recordings; its Malayalam,
German and Amharic speech is foreign to every model here. Writes benchmarks/results/nothing.json.
"""

from __future__ import annotations

import argparse
import collections
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.base import AsrRequest
from asr.finding import MODELS_DIR, find_recogniser
from asr.whisper import WhisperEngine
from benchmarks.facts import RESULTS, environment, write_result
from benchmarks.serving.real_speech import telephone
from cantonese.scoring import scoring_form
from pipeline.analysis.recording import read_audio
from pipeline.analysis.speakers import utterances
from vad.endpointer import EndpointerSettings
from vad.gated import GatedVad

Pcm = NDArray[np.float32]
RATE = 16_000
PIECE_S = 20
FOREIGN = ("msc_malayalam", "emodb", "ased")
SHOWN = 8


def _time(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.arange(PIECE_S * RATE) / RATE


def white(rng: np.random.Generator) -> Pcm:
    """Line noise, steady, with clicks."""
    sound = rng.standard_normal(PIECE_S * RATE) * 0.3
    sound[rng.integers(0, len(sound), 40)] += rng.uniform(-3, 3, 40)
    return sound.astype(np.float32)


def crowd(rng: np.random.Generator) -> Pcm:
    """Noise in bands that come and go, as a street or an office."""
    size = PIECE_S * RATE
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    total = np.zeros(size)
    for centre in rng.uniform(150, 3000, 6):
        band = np.fft.irfft(spectrum * np.exp(-(((hertz - centre) / (0.3 * centre)) ** 2)), size)
        speed = rng.uniform(0.5, 6)
        total += band * (1 + np.sin(2 * np.pi * speed * _time(rng) + rng.uniform(0, 6)))
    return total.astype(np.float32)


def ringing(rng: np.random.Generator) -> Pcm:
    """Hong Kong's ringing, busy and dialling tones (440 + 480, 480 + 620, 350 + 440 Hz)."""
    time = _time(rng)
    pair, on, off = [((440, 480), 0.4, 0.2), ((480, 620), 0.5, 0.5), ((350, 440), 9, 0)][rng.integers(3)]
    sound = sum(np.sin(2 * np.pi * hertz * time) for hertz in pair)
    return (sound * ((time + rng.random()) % (on + off) < on)).astype(np.float32)


def keys(rng: np.random.Generator) -> Pcm:
    """Somebody types a number: DTMF."""
    time, sound = _time(rng), np.zeros(PIECE_S * RATE)
    for start in np.cumsum(rng.uniform(0.12, 1.2, 40)):
        low = rng.choice([697, 770, 852, 941])
        high = rng.choice([1209, 1336, 1477])
        pressed = (time >= start) & (time < start + 0.1)
        sound += pressed * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time))
    return sound.astype(np.float32)


def piano(rng: np.random.Generator) -> Pcm:
    """Struck strings: chords that fall slowly, a melody above."""
    time, sound = _time(rng), np.zeros(PIECE_S * RATE)
    for start in np.cumsum(rng.uniform(0.2, 0.7, 60)):
        first = int(start * RATE)
        if first >= len(sound):
            break
        after = time[: len(sound) - first]
        hertz = 130.8 * 2 ** (rng.choice([0, 4, 7, 12, 14, 16, 19, 24]) / 12)
        for number in (1, 2, 3, 4, 5):
            stretched = number * hertz * np.sqrt(1 + 4e-4 * number**2)
            sound[first:] += np.exp(-(1.2 + number) * after) * np.sin(2 * np.pi * stretched * after) / number
    return sound.astype(np.float32)


def strings(rng: np.random.Generator) -> Pcm:
    """Bowed strings with vibrato: sustained chords as hold music has them."""
    time, sound = _time(rng), np.zeros(PIECE_S * RATE)
    for index, start in enumerate(range(0, PIECE_S, 4)):
        root = 196 * 2 ** (rng.choice([0, 5, 7, -3]) / 12)
        inside = (time >= start) & (time < start + 4)
        for step in (0, 4, 7):
            hertz = root * 2 ** (step / 12)
            wave = 2 * np.pi * hertz * time + 0.02 * hertz / 5.5 * np.sin(2 * np.pi * 5.5 * time + index)
            sound += inside * sum(np.sin(number * wave) / number for number in range(1, 9))
    return sound.astype(np.float32)


def crying(rng: np.random.Generator) -> Pcm:
    """An infant's cry: breaths of a second, a pitch of 400 to 550 Hz that rises and falls, many harmonics."""
    time, sound = _time(rng), np.zeros(PIECE_S * RATE)
    for start in np.arange(0.3, PIECE_S - 1.5, rng.uniform(1.2, 2.0)):
        inside = time[(time >= start) & (time < start + 1.0)] - start
        pitch = rng.uniform(400, 550) * (1 + 0.15 * np.sin(np.pi * inside) + 0.01 * rng.standard_normal())
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        burst = sum(np.sin(number * phase) / number**0.7 for number in range(1, 8)) * np.sin(np.pi * inside)
        first = int(start * RATE)
        sound[first : first + len(burst)] += burst
    return sound.astype(np.float32)


KINDS = (white, crowd, ringing, keys, piano, strings, crying)


def sounds(minutes: float, data: Path | None) -> Iterator[tuple[str, Pcm]]:
    """Yield the kind and the sound, at least ``minutes`` of it over all kinds."""
    rng = np.random.default_rng(7)
    for index in range(max(len(KINDS), int(minutes * 60 / PIECE_S))):
        make = KINDS[index % len(KINDS)]
        sound = make(rng)
        level = 10 ** (rng.uniform(-30, -10) / 20) / max(1e-6, float(np.abs(sound).max()))
        yield make.__name__, telephone(sound * np.float32(level))
    for name in FOREIGN if data else ():
        files = sorted(
            path for path in (Path(str(data)) / name).rglob("*") if path.suffix in (".opus", ".ogg", ".flac")
        )
        for path in files[:: max(1, len(files) // 60)]:
            yield name, telephone(read_audio(path).channels[0])


def pieces(sound: Pcm, vad: GatedVad | None) -> Iterator[Pcm]:
    """Yield what the recogniser is asked about."""
    if vad is None:
        yield from (sound[start : start + 5 * RATE] for start in range(0, len(sound) - RATE, 5 * RATE))
        return
    for _at, ended in utterances(sound, vad, EndpointerSettings()):
        yield sound[ended.start : ended.end]


def measure(engine: WhisperEngine, minutes: float, data: Path | None, *, whole: bool) -> dict[str, Any]:
    """Return invented characters a minute, by kind, and why other text was thrown away."""
    vad = None if whole else GatedVad(1)
    rows: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    seconds: collections.Counter[str] = collections.Counter()
    texts: collections.Counter[str] = collections.Counter()
    for kind, sound in sounds(minutes, data):
        seconds[kind] += len(sound) / RATE  # type: ignore[assignment]
        for pcm in pieces(sound, vad):
            found = engine.transcribe([AsrRequest(pcm=pcm, final=True)])[0]
            rows[kind]["asked"] += 1
            rows[kind]["characters"] += len(scoring_form(found.text))
            rows[kind][found.rejected or "kept"] += 1
            if found.text:
                texts[found.text] += 1
    made = [kind for kind in seconds if kind not in FOREIGN]
    total = sum(rows[kind]["characters"] for kind in made) / (sum(seconds[kind] for kind in made) / 60)
    return {
        "invented_per_minute": round(total, 3),
        "minutes": round(sum(seconds[kind] for kind in made) / 60, 1),
        "kinds": {
            kind: {"per_minute": round(rows[kind]["characters"] / length * 60, 2), **rows[kind]}
            for kind, length in seconds.items()
        },
        "texts": [text[:60] for text, _count in texts.most_common(SHOWN)],
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=["bundled"], help="names or CTranslate2 directories")
    parser.add_argument("--models-dir", type=Path, default=Path(MODELS_DIR))
    parser.add_argument("--minutes", type=float, default=60.0, help="of made sounds")
    parser.add_argument("--data", type=Path, help="sets of recordings in foreign languages")
    parser.add_argument("--whole", action="store_true", help="leave the voice detector out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for nothing.json")
    options = parser.parse_args()
    found = {}
    for model in options.model:
        directory = find_recogniser(model, options.models_dir)
        found[directory.name] = measure(
            WhisperEngine(directory), options.minutes, options.data, whole=options.whole
        )
        print(json.dumps({directory.name: found[directory.name]}, ensure_ascii=False, indent=1), flush=True)
    write_result("nothing", {"benchmark": "nothing", **environment(), "models": found}, options.out)


if __name__ == "__main__":
    main()
