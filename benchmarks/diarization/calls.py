"""Calls with known truth: mixtures of voices that no model was trained on, and excerpts of real meetings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile as sf

from diarization import SpeakerTurn
from diarization.turns import read_rttm
from scripts.finetune.speakers.examples import clips_of
from scripts.finetune.voices.mixtures import Mixture, MixtureSpec, Voices, mix

SETS = ("librispeech_mini", "speechocean762", "msc_malayalam")
"""Read speech of ordinary voices, at least ten seconds of each speaker."""
STRANGE_SETS = ("ased",)
"""Acted speech, of which nothing was trained on."""
SEED = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueCall:
    """A recording with its truth.

    Attributes:
        name: unique.
        pcm: float32 mono 16 kHz.
        truth: who speaks when.
        same_set: its voices come from one set.
        same_sex: they have the same sex; None where that is not known.
    """

    name: str
    pcm: np.ndarray
    truth: list[SpeakerTurn]
    same_set: bool = False
    same_sex: bool | None = None


def mixtures(
    data: Path, count: int, seconds: float, *, voices: int = 2, strange: bool = False
) -> Iterator[TrueCall]:
    """Yield mixtures of held-out voices, every second one of voices from one set."""
    sets = STRANGE_SETS if strange else SETS
    pool = Voices(clips_of(data, held_out=True, sets=sets))
    sexes = _sexes(data)
    for number in range(count):
        rng = np.random.default_rng([SEED, number, voices, strange])
        chosen = pool.draw(rng, voices, same_set=0.5)
        spec = MixtureSpec(seconds=seconds, overlapping=0.35, snr_db=(10.0, 20.0))
        made = mix(rng, pool, chosen, spec)
        known = [sexes.get(name) for name in chosen]
        yield TrueCall(
            name=f"mixture-{number}",
            pcm=levelled(made.pcm),
            truth=truth_of(made),
            same_set=len({pool.speakers[name] for name in chosen}) == 1,
            same_sex=None if None in known else len(set(known)) == 1,
        )


def _sexes(data: Path) -> dict[str, str]:
    path = data / "speechocean762" / "speakers.csv"
    if not path.is_file():
        return {}
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()[1:]]
    return {f"speechocean762/{row[0]}": row[2] for row in rows if len(row) > 2}


def truth_of(mixture: Mixture) -> list[SpeakerTurn]:
    """Return the turns of a mixture."""
    return [SpeakerTurn(speaker=turn.speaker, start=turn.start, end=turn.end) for turn in mixture.turns]


def meetings(data: Path) -> Iterator[TrueCall]:
    """Yield the AMI excerpts that no model was trained on (development and test)."""
    for part in ("development", "test"):
        path = data / "ami" / f"{part}.rttm"
        for name, turns in (read_rttm(path) if path.is_file() else {}).items():
            pcm, _rate = sf.read(data / "ami" / f"{name}.flac", dtype="float32")
            yield TrueCall(name=name, pcm=levelled(pcm), truth=turns)


def levelled(pcm: np.ndarray) -> np.ndarray:
    """Return ``pcm`` at the usual level of a call, -26 dBFS where somebody speaks."""
    frames = pcm[: len(pcm) // 320 * 320].reshape(-1, 320)
    power = (frames**2).mean(axis=1)
    active = power[power > np.percentile(power, 95) * 1e-2]
    return np.asarray(pcm * np.float32(0.05 / (np.sqrt(active.mean()) + 1e-9)), np.float32)


def only(call: TrueCall, speakers: int) -> TrueCall:
    """Return ``call`` with the truth of its first ``speakers`` voices."""
    names = list(dict.fromkeys(turn.speaker for turn in call.truth))[:speakers]
    return replace(call, truth=[turn for turn in call.truth if turn.speaker in names])
