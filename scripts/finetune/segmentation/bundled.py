"""Make the bundled local segmentation.

    python -m scripts.finetune.segmentation.bundled --data DATA --out runs/segmentation

Learns from mixtures of the voices that scripts.finetune.speakers.bundled may train on, with the layers of its
network underneath. ``--pyannet`` trains pyannote.audio's own architecture instead, on the same mixtures.
Mixtures take 3 minutes on two cores, training 60 on one. The committed network learned in three goes (2,800,
1,900 and 1,700 steps, the first on 480 other mixtures) what this recipe does in two.
"""

from __future__ import annotations

import argparse
import functools
import pickle
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from diarization.directory import BUNDLED_SEGMENTATION
from scripts.finetune.segmentation.export import export_directory
from scripts.finetune.segmentation.network import TdnnSegmentation
from scripts.finetune.segmentation.training import Call, SegmentationSettings, train
from scripts.finetune.speakers.bundled import CHECKPOINT as VOICE_CHECKPOINT
from scripts.finetune.speakers.examples import clips_of
from scripts.finetune.voices.mixtures import MixtureSpec, Voices, mix

SETS = ("librispeech_mini", "msc_malayalam", "speechocean762", "emodb", "speech_commands_v2_test")
SECONDS = 60.0
SEED = 78
WATCHED = 8
FROZEN_SHARE = 0.6
"""Share of the steps in which the embedding's layers stay; then they learn too, at a lower rate."""


@lru_cache(maxsize=1)
def _voices(data: Path) -> Voices:
    return Voices(clips_of(data, held_out=False, sets=SETS))


def make_call(data: Path, number: int) -> Call:
    """Return a mixture of one, two or three voices, always the same for a number."""
    rng = np.random.default_rng([SEED, number])
    count = int(rng.choice([1, 2, 3], p=[0.05, 0.75, 0.2]))
    spec = MixtureSpec(
        seconds=SECONDS, turn_s=(0.6, 6.0), overlapping=rng.uniform(0.1, 0.7), snr_db=(9, 24), own_colour=0.4,
        disturbed=0.2, hard_line=True,
    )  # fmt: skip
    voices = _voices(data)
    made = mix(rng, voices, voices.draw(rng, count, same_set=0.6), spec)
    pcm = (np.clip(made.pcm, -1, 1) * 32767).astype(np.int16)
    return Call(name=f"mixture-{number}", pcm=pcm, turns=made.turns)


def make_calls(data: Path, count: int, path: Path, workers: int) -> list[Call]:
    """Return mixtures, from ``path`` if an earlier run has put them there."""
    if path.is_file():
        return list(pickle.loads(path.read_bytes()))  # noqa: S301 (our own file)
    with ProcessPoolExecutor(workers) as pool, Progress(transient=True) as progress:
        jobs = pool.map(functools.partial(make_call, data), range(count), chunksize=4)
        calls = list(progress.track(jobs, count, description="mixtures"))
    path.write_bytes(pickle.dumps(calls))
    return calls


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for what is made on the way")
    parser.add_argument("--steps", type=int, default=4700, help="of training")
    parser.add_argument("--mixtures", type=int, default=800, help=f"of {SECONDS:g} s each")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--workers", type=int, default=2, help="processes that make mixtures")
    parser.add_argument("--pyannet", action="store_true", help="train a PyanNet; it is not exported")
    parser.add_argument("--target", type=Path, default=BUNDLED_SEGMENTATION, help="directory to export into")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    calls = make_calls(arguments.data, arguments.mixtures, arguments.out / "mixtures.pkl", arguments.workers)
    watched, learned = calls[:WATCHED], calls[WATCHED:]
    if arguments.pyannet:
        settings = SegmentationSettings(steps=arguments.steps)
        train(learned, watched, settings, after=_tell, save=arguments.out / "pyannet")
        return
    network = TdnnSegmentation()
    network.take_voice(torch.load(VOICE_CHECKPOINT))
    frozen = int(arguments.steps * FROZEN_SHARE)
    settings = SegmentationSettings(steps=frozen, batch=24, rate=2e-3)
    train(learned, watched, settings, network=network, after=_tell, save=arguments.out / "frozen")
    network.thaw()
    settings = SegmentationSettings(steps=arguments.steps - frozen, batch=24, rate=8e-4, seed=1)
    checkpoint = train(learned, watched, settings, network=network, after=_tell, save=arguments.out / "whole")
    export_directory(checkpoint, arguments.target, name="yuetone-segmentation")


def _tell(step: int, loss: float, error: float) -> None:
    print(f"step {step}: loss {loss:.3f}, diarization error {error:.3f}", flush=True)


if __name__ == "__main__":
    main()
