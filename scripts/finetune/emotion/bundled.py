"""The recipe of the bundled voice model, and every figure in its card.

    python -m scripts.finetune.emotion.bundled --data DATA --out runs/emotion

DATA holds the folders emodb, librispeech_mini, speechocean762, msc_malayalam, speech_commands_v2_test,
jyutnet and, for measuring only, ased. About 50 minutes on two cores; a run that was killed goes on.
"""

from __future__ import annotations

import argparse
import functools
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion.directory import WEIGHTS
from models.files import replace_file
from scripts.finetune.common.folders import write_json
from scripts.finetune.emotion.calibration import calibrate
from scripts.finetune.emotion.examples import CROPS_S, Examples, build, join
from scripts.finetune.emotion.export import export_directory, export_graph
from scripts.finetune.emotion.measuring import Measured, measure
from scripts.finetune.emotion.scores import agitation_figures, by_emotion, class_recall, flagged
from scripts.finetune.emotion.training import TrainSettings, train
from scripts.finetune.voices.sets import Clip, joined, read_set, share_of

EMOTIONAL = "emodb"
ORDINARY = {
    "librispeech_mini": (6, (4.0, 3.0, 2.5, 1.5, 5.0)),
    "speechocean762": (1, (0.0,)),
    "msc_malayalam": (3, (4.0, 3.0, 2.0)),
    "speech_commands_v2_test": (1, (0.0,)),
    "jyutnet": (1, (0.0,)),
}
"""Sets without emotions: copies, and crops in s."""
SINGLE_WORDS = ("speech_commands_v2_test",)
"""Sets of words that are too short to be judged in a call: they teach, but say nothing about false alarms."""
MEASURED = "ased"
COPIES = 16
TEST_SHARE, CALIBRATION_SHARE = 0.35, 0.15
"""Shares of the speakers of ordinary speech; the rest is trained on."""
SEED = 20261122
SENTENCES, SYLLABLES = 600, 8
FOLD_LENGTH = 0.5
"""Share of the training steps for networks that are only measured, beside the one that ships."""


def part(speaker: str) -> str:
    """Return train, calibration or test: always the same for a speaker."""
    share = share_of(speaker)
    if share < TEST_SHARE:
        return "test"
    return "calibration" if share < TEST_SHARE + CALIBRATION_SHARE else "train"


def ordinary_clips(data: Path, name: str) -> dict[str, list[Clip]]:
    """Return the clips of an ordinary set by part; syllables are joined within their part."""
    clips = read_set(data / name)
    parts: dict[str, list[Clip]] = {"train": [], "calibration": [], "test": []}
    for clip in clips:
        # jyutnet has one speaker: its syllables are split, and the leave-one-set-out row tells the rest.
        parts[part(clip.files[0].stem if name == "jyutnet" else clip.speaker)].append(clip)
    if name == "jyutnet":
        counts = {"train": SENTENCES, "calibration": 100, "test": 300}
        return {key: joined(found, counts[key], SYLLABLES, SEED) for key, found in parts.items()}
    return parts


class Recipe:
    """The steps, each kept on disk when it is done.

    Args:
        data: folder of the sets.
        out: folder of the run.
        settings: how to train.
    """

    def __init__(self, data: Path, out: Path, settings: TrainSettings) -> None:
        self._data = data
        self._out = out
        self._settings = settings
        out.mkdir(parents=True, exist_ok=True)

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what an earlier run made under ``name``, or make it; our own files, so pickle is safe."""
        path = self._out / f"{name}.pickle"
        if not path.is_file():
            replace_file(path, pickle.dumps(make()))
        return pickle.loads(path.read_bytes())  # noqa: S301

    def lines(self, name: str, clips: Sequence[Clip], **options: Any) -> Examples:
        """Return ``clips`` on telephone lines."""
        made: Examples = self.kept(f"lines-{name}", lambda: build(clips, seed=SEED, **options))
        return made

    def graph(self, name: str, examples: Examples, length: float = FOLD_LENGTH) -> Path:
        """Return the graph of a network trained on ``examples`` for ``length`` times the usual steps."""
        path = self._out / f"{name}.onnx"
        if not path.is_file():
            print(f"training {name} on {len(examples)} examples", flush=True)
            network = train(examples, self._settings.scaled(length))
            torch.save(network.state_dict(), path.with_suffix(".pt"))
            export_graph(network, path)
        return path

    def run(self) -> dict[str, Any]:
        """Do everything; return the figures."""
        emotional = self.lines(EMOTIONAL, read_set(self._data / EMOTIONAL), copies=COPIES, training=True,
                               crops_s=CROPS_S)  # fmt: skip
        ordinary = {name: ordinary_clips(self._data, name) for name in ORDINARY}
        taught = {
            name: self.lines(
                f"{name}-train", ordinary[name]["train"], copies=copies, training=True, crops_s=crops
            )
            for name, (copies, crops) in ORDINARY.items()
        }
        whole = self.graph("whole", join([emotional, *taught.values()]), length=1.0)
        folds = self._folds(emotional, taught)
        strangers = self._strangers(emotional, taught)
        slope, offset = self._calibration(ordinary, strangers, folds)
        report = {
            "emodb": self._emodb(folds, slope, offset),
            "ased": self._ased(whole, slope, offset),
            "ordinary": self._ordinary(ordinary, dict.fromkeys(ORDINARY, whole), slope, offset),
            "ordinary_left_out": self._ordinary(ordinary, strangers, slope, offset),
            "calibration": {"slope": slope, "offset": offset},
            "parameters": {"seed": SEED, "copies": COPIES, "fold_length": FOLD_LENGTH},
        }
        network_state = torch.load(whole.with_suffix(".pt"))
        self._export(network_state, slope, offset)
        write_json(self._out / "report.json", report)
        return report

    def _export(self, state: dict[str, Any], slope: float, offset: float) -> None:
        from scripts.finetune.emotion.network import VoiceNetwork  # noqa: PLC0415

        network = VoiceNetwork(self._settings.perceptrons)
        network.load_state_dict(state)
        export_directory(network, self._out / "model", name="bundled", slope=slope, offset=offset)

    # ---------------------------------------------------------------- leave one speaker out

    def _folds(self, emotional: Examples, taught: dict[str, Examples]) -> dict[str, Path]:
        """Train without each speaker of the emotional set."""
        return {
            speaker: self.graph(
                f"without-{speaker.split('/')[1]}",
                join(
                    [
                        emotional.chosen(_of(emotional, functools.partial(_is_not, speaker))),
                        *taught.values(),
                    ]
                ),
            )
            for speaker in sorted({clip.speaker for clip in emotional.clips})
        }

    def _unheard(self, folds: dict[str, Path], *, baseline: bool) -> tuple[Examples, Measured]:
        """Return one line of every emotional clip, judged by the network that never heard its speaker."""
        plain = self.lines("emodb-plain", read_set(self._data / EMOTIONAL), training=False)
        parts, results = [], []
        for speaker, graph in folds.items():
            own = plain.chosen(_of(plain, functools.partial(_is, speaker)))
            parts.append(own)
            results.append(measure(graph, own, baseline=baseline))
        return join(parts), Measured(
            agitation=np.concatenate([result.agitation for result in results]),
            classes=np.concatenate([result.classes for result in results]),
            place=np.concatenate([result.place for result in results]),
        )

    def _strangers(self, emotional: Examples, taught: dict[str, Examples]) -> dict[str, Path]:
        """Train without each set of ordinary speech that is judged: it is then wholly unknown."""
        return {
            name: self.graph(
                f"without-{name}",
                join([emotional, *(found for other, found in taught.items() if other != name)]),
            )
            for name in ORDINARY
            if name not in SINGLE_WORDS
        }

    def _calibration(
        self, ordinary: dict[str, dict[str, list[Clip]]], strangers: dict[str, Path], folds: dict[str, Path]
    ) -> tuple[float, float]:
        """Return slope and offset, from speakers and sets that the judging network has never heard.

        A network that was trained on a set's other speakers finds its recordings calmer than those of any
        stranger: a threshold set there would let four in ten strangers through.
        """
        calm = [
            measure(
                graph,
                join(
                    [
                        self.lines(
                            f"{name}-calibration",
                            ordinary[name]["calibration"],
                            training=False,
                            crops_s=(4.0,),
                        )
                    ]
                ),
            ).agitation
            for name, graph in strangers.items()
        ]
        unheard, measured = self._unheard(folds, baseline=False)
        return calibrate(calm, measured.agitation[unheard.column("agitated") == 1])

    # ---------------------------------------------------------------- figures

    def _emodb(self, folds: dict[str, Path], slope: float, offset: float) -> dict[str, Any]:
        return {
            name: _row(*self._unheard(folds, baseline=baseline), slope, offset)
            for name, baseline in (("alone", False), ("with_baseline", True))
        }

    def _ased(self, graph: Path, slope: float, offset: float) -> dict[str, Any]:
        clips = read_set(self._data / MEASURED)
        rows = {}
        for name, options in (
            ("one_line_a_speaker", {}),
            ("one_line_a_clip", {"own_line": True}),
            ("20_db_louder", {"gain_db": 20.0}),
            ("20_db_softer", {"gain_db": -20.0}),
        ):
            examples = self.lines(f"ased-{name}", clips, training=False, **options)
            for kind, baseline in (("alone", False), ("with_baseline", True)):
                rows[f"{name}, {kind}"] = _row(
                    examples, measure(graph, examples, baseline=baseline), slope, offset
                )
        return rows

    def _ordinary(
        self, ordinary: dict[str, dict[str, list[Clip]]], graphs: dict[str, Path], slope: float, offset: float
    ) -> dict[str, float]:
        """Return the share of false alarms on speakers that were not trained on, by set."""
        return {
            name: flagged(measure(graph, self._test(name, ordinary)).scores(slope, offset))
            for name, graph in graphs.items()
        }

    def _test(self, name: str, ordinary: dict[str, dict[str, list[Clip]]]) -> Examples:
        return join([self.lines(f"{name}-test", ordinary[name]["test"], training=False, crops_s=(5.0,))])


def _is(speaker: str, clip: Clip) -> bool:
    return clip.speaker == speaker


def _is_not(speaker: str, clip: Clip) -> bool:
    return clip.speaker != speaker


def _of(examples: Examples, keep: Callable[[Clip], bool]) -> Any:
    return np.array([keep(clip) for clip in examples.clips])


def _row(examples: Examples, measured: Measured, slope: float, offset: float) -> dict[str, Any]:
    scores = measured.scores(slope, offset)
    label = examples.column("label").astype(np.int64)
    main = np.isin(label, (0, 1, 2, 3))
    angry, happy = (
        np.array([clip.emotion == name for clip in examples.clips]) for name in ("angry", "happy")
    )
    against = agitation_figures(
        scores[angry | happy], angry[angry | happy].astype(np.float32),
        [clip.speaker for clip, use in zip(examples.clips, angry | happy, strict=True) if use],
    )  # fmt: skip
    return {
        **agitation_figures(scores, examples.column("agitated"), [clip.speaker for clip in examples.clips]),
        "flagged": by_emotion(scores, [clip.emotion for clip in examples.clips]),
        "angry_against_happy_auc": against["auc"],
        "uar_of_four_classes": class_recall(measured.classes[main], label[main], (0, 1, 2, 3)),
    }


def main() -> None:
    """Run the recipe."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; model/ is the result")
    parser.add_argument("--epochs", type=float, default=1.0, help="factor of the usual training length")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    report = Recipe(chosen.data, chosen.out, TrainSettings().scaled(chosen.epochs)).run()
    print(report["ased"]["one_line_a_speaker, alone"])
    print(
        f"{chosen.out / WEIGHTS.replace('model.onnx', 'model')} is the model; report.json holds the figures"
    )


if __name__ == "__main__":
    main()
