"""The voice model as a task of the frame: ``python -m scripts.finetune ... --task emotion``.

DATA is a folder with a manifest.csv (file, speaker, emotion), or with several such folders. Its speakers
are split by name, always alike: 60 % to learn from, 15 % to set the threshold on, 25 % to measure on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from emotion.base import EmotionModelError
from emotion.directory import BUNDLED, WEIGHTS, EmotionDirectory, read_emotion_model
from models import ModelError
from models.files import sha256_of
from models.promotion import promoted_directory
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, is_main_process, read_json, write_json
from scripts.finetune.common.task import Check, Task
from scripts.finetune.emotion.calibration import calibrate
from scripts.finetune.emotion.examples import CROPS_S, Examples, build, join
from scripts.finetune.emotion.export import export_directory
from scripts.finetune.emotion.measuring import measure
from scripts.finetune.emotion.network import VoiceNetwork
from scripts.finetune.emotion.scores import agitation_figures, by_emotion
from scripts.finetune.emotion.training import TrainSettings, train
from scripts.finetune.voices.sets import Clip, read_sets, share_of

CHECKPOINT = Path(__file__).with_name("checkpoint.safetensors")
"""The bundled network before export."""
STATE, RESULT, REPORT = "network.safetensors", "result.json", "report.json"
TEST_SHARE, CALIBRATION_SHARE = 0.25, 0.15
COPIES, SEED = 4, 1
USUAL_EPOCHS = 8.0
"""What --epochs says when nobody says it; it then means the usual length of training."""
WORSE_AUC, MOST_FALSE, MOST_SECONDS = 0.01, 0.1, 0.01


def part(speaker: str) -> str:
    """Return train, calibration or test: always the same for a speaker."""
    share = share_of(speaker)
    if share < TEST_SHARE:
        return "test"
    return "calibration" if share < TEST_SHARE + CALIBRATION_SHARE else "train"


def clips_of(data: Path, wanted: str) -> list[Clip]:
    """Return the clips of a part.

    Raises:
        FinetuneError: it lacks calm or angry clips.
    """
    found = [clip for clips in read_sets(data).values() for clip in clips if part(clip.speaker) == wanted]
    kinds = {clip.agitated for clip in found}
    if not {0, 1} <= kinds and wanted != "calibration":
        missing = "angry" if 1 not in kinds else "calm"
        raise FinetuneError(
            f"{data}: no {missing} clip among the {wanted} speakers; more speakers are needed"
        )
    return found


class EmotionTask:
    """See :class:`scripts.finetune.common.task.Task`."""

    def train(self, data: Path, init: str, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Train; ``init`` is bundled, scratch or the folder of a run; ``options``: epochs and seed."""
        chosen = _settings(options)
        torch.set_num_threads(max(1, int(options.get("threads", 0)) or 1))
        settings = {"data": str(data.resolve()), "init": init, **{k: options[k] for k in ("epochs", "seed")}}
        with building(out, settings, writes=is_main_process()) as folder:
            learned = [clip for clip in clips_of(data, "train") if clip.agitated >= 0 or clip.label]
            examples = join([_lines(learned, training=True, copies=COPIES)])
            network = train(examples, chosen, _start(init))
            save_file(network.state_dict(), folder / STATE)
            result = {
                "examples": len(examples),
                "speakers": len({clip.speaker for clip in learned}),
                "init": init,
            }
            write_json(folder / RESULT, result)
        return result

    def plan_training(self, data: Path, init: str, options: Mapping[str, Any]) -> list[str]:
        """Return the start and what there is to learn from."""
        _start(init)
        parts = {name: clips_of(data, name) for name in ("train", "calibration", "test")}
        return [
            f"start from {init}",
            *(
                f"{name}: {len(clips)} clips, {len({clip.speaker for clip in clips})} speakers"
                for name, clips in parts.items()
            ),
            str(_settings(options)),
        ]

    def export(self, run: Path, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Export with a threshold set on speakers that were not trained on; ``options``: name and data."""
        data = options["data"] or Path(read_json(run / "settings.json")["data"])
        network = VoiceNetwork()
        network.load_state_dict(_state(run / STATE))
        with building(out, {"run": str(run.resolve()), "name": options["name"]}) as folder:
            export_directory(network, folder, name=options["name"], slope=1.0, offset=0.0)
            examples = join([_lines(clips_of(data, "calibration") or clips_of(data, "train"))])
            logits, agitated = measure(folder / WEIGHTS, examples).agitation, examples.column("agitated")
            if not (agitated == 0).any():
                raise FinetuneError(f"{data}: no calm clip to set the threshold on")
            slope, offset = calibrate([logits[agitated == 0]], logits[agitated == 1])
            export_directory(network, folder, name=options["name"], slope=slope, offset=offset)
        return {
            "slope": slope,
            "offset": offset,
            "clips": len(examples),
            "bytes": (out / WEIGHTS).stat().st_size,
        }

    def plan_export(self, run: Path) -> list[str]:
        """Return what the run learned from."""
        result = read_json(run / RESULT)
        return [f"{result['examples']} examples of {result['speakers']} speakers, from {result['init']}"]

    def evaluate(
        self, model: str, base: str, data: Path, out: Path, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Measure both models on the test speakers; ``options``: models."""
        clips = clips_of(data, "test")
        sides = {"tuned": _directory(model, options["models"]), "base": _directory(base, options["models"])}
        report: dict[str, Any] = {
            "models": {
                side: {"name": found.name, "sha256": sha256_of(found.path / WEIGHTS)}
                for side, found in sides.items()
            },
            "test": {"clips": len(clips), "sha256": _fingerprint(clips)},
        }
        with building(out, {"data": str(data.resolve()), **report}) as folder:
            examples = join([_lines(clips)])
            for side, found in sides.items():
                report[side] = _figures(found, examples)
            write_json(folder / REPORT, report)
        return report

    def plan_evaluation(self, model: str, base: str, data: Path, options: Mapping[str, Any]) -> list[str]:
        """Return the models and the test set."""
        names = [_directory(name, options["models"]).name for name in (model, base)]
        clips = clips_of(data, "test")
        return [
            f"{names[0]} against {names[1]}",
            f"{len(clips)} clips, {len({c.speaker for c in clips})} speakers",
        ]

    def told(self, step: str, result: Mapping[str, Any]) -> list[str]:
        """Return the figures that matter."""
        if step == "train":
            return [f"learned from {result['examples']} examples of {result['speakers']} speakers"]
        if step == "export":
            return [f"{result['bytes'] / 2**20:.2f} MiB; threshold set on {result['clips']} clips"]
        before, after = result["base"], result["tuned"]
        return [
            f"AUC  {before['auc']:.3f} -> {after['auc']:.3f} "
            f"({after['auc_low']:.3f} to {after['auc_high']:.3f})",
            f"false alarms  {before['false_alarms']:.1%} -> {after['false_alarms']:.1%}; "
            f"recall  {before['recall']:.1%} -> {after['recall']:.1%}",
        ]

    def gate(self, report: Mapping[str, Any]) -> list[Check]:
        """Return the conditions for promotion."""
        before, after = report["base"], report["tuned"]
        return [
            Check(
                name="AUC on the test speakers",
                passed=after["auc"] >= before["auc"] - WORSE_AUC,
                detail=f"{before['auc']:.3f} before, {after['auc']:.3f} after (at most {WORSE_AUC} less)",
            ),
            Check(
                name="false alarms on calm speech",
                passed=after["false_alarms"] <= max(MOST_FALSE, before["false_alarms"]),
                detail=f"{before['false_alarms']:.1%} before, {after['false_alarms']:.1%} after "
                f"(at most {MOST_FALSE:.0%}, or what it was)",
            ),
        ]

    def served(self, models: Path) -> Path:
        """Return the directory that a server with ``emotion.model`` auto serves now."""
        return _promoted(models) or BUNDLED


def _settings(options: Mapping[str, Any]) -> TrainSettings:
    factor = float(options["epochs"]) / USUAL_EPOCHS
    return TrainSettings(seed=int(options["seed"])).scaled(factor)


def _start(init: str) -> dict[str, torch.Tensor] | None:
    if init == "scratch":
        return None
    return _state(CHECKPOINT if init == "bundled" else Path(init) / STATE)


def _state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise FinetuneError(f"no network at {path}; --init is bundled, scratch, or the folder of a run")
    return dict(load_file(path))


def _lines(clips: list[Clip], *, training: bool = False, copies: int = 1) -> Examples:
    return build(clips, copies=copies, training=training, seed=SEED, crops_s=CROPS_S if training else (5.0,))


def _promoted(models: Path) -> Path | None:
    try:
        return promoted_directory(models, "emotion")
    except ModelError as error:
        raise FinetuneError(str(error)) from error


def _directory(name: str, models: Path) -> EmotionDirectory:
    path = BUNDLED if name == "bundled" else _promoted(models) or BUNDLED if name == "auto" else Path(name)
    try:
        found = read_emotion_model(path)
    except EmotionModelError as error:
        raise FinetuneError(str(error)) from error
    if found.front_end != "voice":
        raise FinetuneError(
            f"{path} reads {found.front_end}; only models with the voice front end are measured here"
        )
    return found


def _figures(found: EmotionDirectory, examples: Examples) -> dict[str, Any]:
    measured = measure(found.path / WEIGHTS, examples)
    scores = measured.scores(found.slope, found.offset)
    speakers = [clip.speaker for clip in examples.clips]
    return {
        **agitation_figures(scores, examples.column("agitated"), speakers),
        "flagged": dict(by_emotion(scores, [clip.emotion for clip in examples.clips])),
    }


def _fingerprint(clips: list[Clip]) -> str:
    text = "\n".join(sorted(f"{clip.source}/{clip.files[0].name} {clip.emotion}" for clip in clips))
    return hashlib.sha256(text.encode()).hexdigest()


TASK: Task = EmotionTask()
