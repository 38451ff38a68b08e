"""Make the bundled speaker embedding and measure it.

    python -m scripts.finetune.speakers.bundled --data DATA --out runs/speakers

DATA holds the sets that shared weights may be trained on: librispeech_mini, speechocean762,
speech_commands_v2_test, msc_malayalam, emodb, jyutnet; ased, if it is there, is only measured on. A fifth of
the speakers is never trained on. Recordings over lines take 6 minutes on two cores, training 40 on one.
"""

from __future__ import annotations

import argparse
import pickle
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diarization.base import Spread
from diarization.directory import BUNDLED_SPEAKER, WEIGHTS
from diarization.onnx import OnnxEmbedder
from scripts.finetune.common.folders import write_json
from scripts.finetune.speakers.examples import Piece, build, clips_of
from scripts.finetune.speakers.export import export_directory
from scripts.finetune.speakers.network import FRONT, SpeakerNetwork
from scripts.finetune.speakers.scores import equal_error_rate, pair_scores
from scripts.finetune.speakers.spread import measure
from scripts.finetune.speakers.training import TrainSettings, train
from scripts.finetune.voices.mixtures import Voices

SETS = (
    "librispeech_mini", "speechocean762", "speech_commands_v2_test", "msc_malayalam", "emodb", "jyutnet",
)  # fmt: skip
ORDINARY = ("librispeech_mini", "speechocean762", "speech_commands_v2_test", "msc_malayalam")
"""Nobody acts an emotion there."""
MEASURED_ONLY = ("ased",)
COPIES, SEED = 6, 1
SECONDS = 2.0
PER_SPEAKER = 6
REPORT = Path(__file__).with_name("report.json")
CHECKPOINT = Path(__file__).with_name("checkpoint.pt")


def made_once(path: Path, clips: Sequence[Any], **how: Any) -> list[Piece]:
    """Return pieces of ``clips``, from ``path`` if an earlier run has put them there."""
    if path.is_file():
        return list(pickle.loads(path.read_bytes()))  # noqa: S301 (our own file)
    made = build(clips, **how)
    path.write_bytes(pickle.dumps(made))
    return made


def figures(network: SpeakerNetwork, pieces: Sequence[Piece]) -> dict[str, Any]:
    """Return equal error rates of SECONDS against SECONDS, over all pairs and within one set."""
    frames = int(SECONDS * 1000 / FRONT.shift_ms)
    mels, speakers, taken = [], [], Counter[str]()
    for piece in pieces:
        for start in range(0, len(piece.mel) - frames + 1, frames):
            if taken[piece.speaker] < PER_SPEAKER:
                taken[piece.speaker] += 1
                part = piece.mel[start : start + frames].astype(np.float32)
                mels.append(part - part.mean(axis=0))
                speakers.append(piece.speaker)
    with torch.no_grad():
        batches = [network(torch.from_numpy(np.stack(mels[i : i + 128]))) for i in range(0, len(mels), 128)]
    vectors = torch.nn.functional.normalize(torch.cat(batches)).numpy()
    sources = [name.split("/")[0] for name in speakers]
    wanted = {"ordinary speech": ORDINARY, "acted speech too": (*SETS, *MEASURED_ONLY)}
    return {
        kind: _rates(vectors, speakers, sources, [source in sets for source in sources])
        for kind, sets in wanted.items()
    }


def _rates(
    vectors: np.ndarray, speakers: Sequence[str], sources: Sequence[str], wanted: Sequence[bool]
) -> dict[str, Any]:
    kept = np.flatnonzero(wanted)
    names, sets = [speakers[int(i)] for i in kept], [sources[int(i)] for i in kept]
    similar, same, near = pair_scores(vectors[kept], names, sets, range(len(kept)))
    over_all, threshold = equal_error_rate(similar[same], similar[~same])
    within, _ = equal_error_rate(similar[same], similar[~same & near])
    return {
        "stretches": len(kept), "speakers": len(set(names)), "eer_all_pairs": round(over_all, 4),
        "eer_within_one_set": round(within, 4), "similarity_at_eer": round(threshold, 3),
    }  # fmt: skip


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for what is made on the way")
    parser.add_argument("--steps", type=int, default=6000, help="of training")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--workers", type=int, default=2, help="processes that make recordings over lines")
    parser.add_argument("--measure-only", action="store_true", help="keep the committed network")
    parser.add_argument("--target", type=Path, default=BUNDLED_SPEAKER, help="directory to export into")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    network = SpeakerNetwork()
    if arguments.measure_only:
        network.load_state_dict(torch.load(CHECKPOINT))
        network.eval()
    else:
        clips = clips_of(arguments.data, held_out=False, sets=SETS)
        pieces = made_once(
            arguments.out / "train.pkl",
            clips,
            copies=COPIES,
            seed=SEED,
            training=True,
            workers=arguments.workers,
        )
        network = train(pieces, TrainSettings(steps=arguments.steps), after=_tell)
        torch.save(network.state_dict(), arguments.out / "network.pt")
    held_out = [
        *clips_of(arguments.data, held_out=True, sets=SETS),
        *clips_of(arguments.data, held_out=True, sets=MEASURED_ONLY),
    ]
    measured = made_once(
        arguments.out / "test.pkl",
        held_out,
        copies=1,
        seed=SEED + 1,
        training=False,
        workers=arguments.workers,
    )
    report = figures(network, measured)
    export_directory(network, arguments.target, name="yuetone-speaker", spread=Spread())
    spread = measure(
        OnnxEmbedder(arguments.target), Voices([clip for clip in held_out if clip.source in ORDINARY])
    )
    export_directory(network, arguments.target, name="yuetone-speaker", spread=spread)
    report |= {
        "spread": {"floor": round(spread.floor, 4), "slope": round(spread.slope, 4)},
        "bytes": (arguments.target / WEIGHTS).stat().st_size,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "steps": arguments.steps,
        "seed": SEED,
    }
    write_json(arguments.out / "report.json", report)
    print(report)


def _tell(step: int, loss: float, _network: SpeakerNetwork) -> None:
    print(f"step {step}: loss {loss:.3f}", flush=True)


if __name__ == "__main__":
    main()
