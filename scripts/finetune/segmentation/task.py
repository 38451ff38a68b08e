"""Local segmentation as a task of the frame: ``python -m scripts.finetune ... --task segmentation``.

DATA is a folder of the centre's own calls: recordings with RTTM files, or of two channels, which are mixed
down (:mod:`scripts.finetune.segmentation.calls`). They are split by name, always alike: 60 % to learn from,
15 % to set the clustering factors on, 25 % to measure on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pyannote.audio.core.model import Model

from diarization import DiarizationError
from diarization.base import SAMPLE_RATE
from diarization.directory import BUNDLED_SEGMENTATION, WEIGHTS, read_segmentation
from models import ModelError
from models.files import sha256_of
from models.promotion import promoted_directory
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, is_main_process, read_json, write_json
from scripts.finetune.common.task import Check, Task
from scripts.finetune.segmentation.calls import find_calls, part, read_calls
from scripts.finetune.segmentation.export import export_directory
from scripts.finetune.segmentation.scores import Listener, best_factors, error_rate
from scripts.finetune.segmentation.training import CHUNK_S, Call, SegmentationSettings, train

CHECKPOINT = Path(__file__).parent / "checkpoint"
"""The bundled network before export."""
RESULT, REPORT = "result.json", "report.json"
TUNING_RATE, SCRATCH_RATE, BATCH = 3e-4, 1.5e-3, 16
WORSE_DER, WORSE_CONFUSION = 0.005, 0.01


class SegmentationTask:
    """See :class:`scripts.finetune.common.task.Task`."""

    def train(self, data: Path, init: str, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Train; ``init`` is bundled, scratch (a PyanNet) or a run's folder; ``options``: epochs, seed."""
        torch.set_num_threads(max(1, int(options.get("threads", 0)) or 1))
        learned, watched = list(read_calls(data, "train")), list(read_calls(data, "dev"))
        if not learned:
            raise FinetuneError(f"{data}: no call falls into the train part; more calls are needed")
        start = _start(init)
        settings = {"data": str(data.resolve()), "init": init, **{k: options[k] for k in ("epochs", "seed")}}
        with building(out, settings, writes=is_main_process()) as folder:
            chosen = SegmentationSettings(
                steps=_steps(learned, float(options["epochs"])),
                batch=BATCH,
                rate=SCRATCH_RATE if start is None else TUNING_RATE,
                seed=int(options["seed"]),
            )
            train(learned, watched or learned[:1], chosen, start=start, save=folder)
            result = {
                "calls": len(learned),
                "steps": chosen.steps,
                "init": init,
                "seconds": _seconds(learned),
            }
            write_json(folder / RESULT, result)
        return result

    def plan_training(self, data: Path, init: str, options: Mapping[str, Any]) -> list[str]:
        """Return the start and what there is to learn from."""
        _start(init)
        names = [part(name) for name in find_calls(data)]
        counts = [f"{wanted}: {names.count(wanted)} calls" for wanted in ("train", "dev", "test")]
        return [f"start from {init}", *counts, f"{options['epochs']} passes"]

    def export(self, run: Path, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Export with clustering factors set on calls not trained on; ``options``: name and data."""
        if not (run / RESULT).is_file():
            raise FinetuneError(f"{run} is no finished run: {RESULT} missing")
        data = options["data"] or Path(read_json(run / "settings.json")["data"])
        with building(out, {"run": str(run.resolve()), "name": options["name"]}) as folder:
            export_directory(run, folder, name=options["name"])
            listener = Listener(folder)
            heard = [listener.listen(call) for call in read_calls(data, "dev")]
            tuned, error = best_factors(listener, heard) if heard else (None, float("nan"))
            export_directory(run, folder, name=options["name"], tuned=tuned)
        return {
            "bytes": (out / WEIGHTS).stat().st_size,
            "calls": len(heard),
            "factors": list(tuned or ()),
            "der": error,
        }

    def plan_export(self, run: Path) -> list[str]:
        """Return what the run learned from."""
        result = read_json(run / RESULT)
        return [f"{result['calls']} calls, {result['steps']} steps, from {result['init']}"]

    def evaluate(
        self, model: str, base: str, data: Path, out: Path, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Measure both models on the test calls; ``options``: models."""
        sides = {"tuned": _directory(model, options["models"]), "base": _directory(base, options["models"])}
        calls = list(read_calls(data, "test"))
        if not calls:
            raise FinetuneError(f"{data}: no call falls into the test part; more calls are needed")
        report: dict[str, Any] = {
            "models": {
                side: {"name": read_segmentation(path).name, "sha256": sha256_of(path / WEIGHTS)}
                for side, path in sides.items()
            },
            "test": {"calls": len(calls), "seconds": _seconds(calls), "sha256": _fingerprint(calls)},
        }
        with building(out, {"data": str(data.resolve()), **report}) as folder:
            for side, path in sides.items():
                listener = Listener(path)
                heard = (listener.listen(call) for call in calls)
                report[side] = error_rate(listener, heard, listener.settings)
            write_json(folder / REPORT, report)
        return report

    def plan_evaluation(self, model: str, base: str, data: Path, options: Mapping[str, Any]) -> list[str]:
        """Return the models and the test set."""
        names = [read_segmentation(_directory(name, options["models"])).name for name in (model, base)]
        count = sum(part(name) == "test" for name in find_calls(data))
        return [f"{names[0]} against {names[1]}", f"{count} calls"]

    def told(self, step: str, result: Mapping[str, Any]) -> list[str]:
        """Return the figures that matter."""
        if step == "train":
            return [f"learned from {result['calls']} calls of {result['seconds'] / 3600:.1f} h together"]
        if step == "export":
            factors = ", ".join(map(str, result["factors"])) or "as they were: no call to set them on"
            return [f"{result['bytes'] / 2**20:.2f} MiB; clustering factors {factors}"]
        before, after = result["base"], result["tuned"]
        return [
            f"diarization error rate  {before['der']:.1%} -> {after['der']:.1%}",
            f"of it confused  {before['confusion']:.1%} -> {after['confusion']:.1%}; "
            f"missed {after['missed']:.1%}, false alarm {after['false_alarm']:.1%}",
        ]

    def gate(self, report: Mapping[str, Any]) -> list[Check]:
        """Return the conditions for promotion."""
        before, after = report["base"], report["tuned"]
        return [
            Check(
                name=f"{what} on the test calls",
                passed=after[key] <= before[key] + most,
                detail=f"{before[key]:.1%} before, {after[key]:.1%} after (at most {most:.1%} more)",
            )
            for what, key, most in (
                ("diarization error", "der", WORSE_DER),
                ("speaker confusion", "confusion", WORSE_CONFUSION),
            )
        ]

    def served(self, models: Path) -> Path:
        """Return the directory that a server with ``diarization.segmentation_model`` auto serves now."""
        return _promoted(models) or BUNDLED_SEGMENTATION


def _steps(calls: list[Call], epochs: float) -> int:
    return max(1, round(epochs * _seconds(calls) / CHUNK_S / BATCH))


def _seconds(calls: list[Call]) -> float:
    return sum(len(call.pcm) for call in calls) / SAMPLE_RATE


def _start(init: str) -> Path | None:
    if init == "scratch":
        return None
    path = CHECKPOINT if init == "bundled" else Path(init)
    try:
        Model.from_pretrained(path)
    except Exception as error:  # pyannote's loader raises many kinds
        raise FinetuneError(
            f"no network at {path}; --init is bundled, scratch, or the folder of a run"
        ) from error
    return path


def _promoted(models: Path) -> Path | None:
    try:
        return promoted_directory(models, "segmentation")
    except ModelError as error:
        raise FinetuneError(str(error)) from error


def _directory(name: str, models: Path) -> Path:
    if name in ("bundled", "auto"):
        return (_promoted(models) if name == "auto" else None) or BUNDLED_SEGMENTATION
    try:
        return read_segmentation(Path(name)).path
    except DiarizationError as error:
        raise FinetuneError(str(error)) from error


def _fingerprint(calls: list[Call]) -> str:
    digest = hashlib.sha256()
    for call in sorted(calls, key=lambda call: call.name):
        digest.update(call.name.encode() + call.pcm.tobytes() + repr(call.turns).encode())
    return digest.hexdigest()


TASK: Task = SegmentationTask()
