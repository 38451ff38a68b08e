"""The recogniser as a task of the frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.finetune.common.task import Check, Task
from scripts.finetune.corpus.hearing import open_directory
from scripts.finetune.recogniser import gates
from scripts.finetune.recogniser.checkpoint import locate
from scripts.finetune.recogniser.evaluation import EvaluateOptions, evaluate, plan
from scripts.finetune.recogniser.export import ExportOptions, export, read_run
from scripts.finetune.recogniser.options import TrainOptions, plan_steps, training_sets
from scripts.finetune.recogniser.training import Trainer
from scripts.finetune.shorten import gates as shortened


class RecogniserTask:
    """See :class:`scripts.finetune.common.task.Task`."""

    def train(self, data: Path, init: str, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Fine-tune ``init``; ``options`` are those of :class:`.training.TrainOptions`."""
        return Trainer(data, init, out, TrainOptions(**options)).run()

    def plan_training(self, data: Path, init: str, options: Mapping[str, Any]) -> list[str]:
        """Return the start, the sets, the steps and the options."""
        chosen = TrainOptions(**options)
        sets = training_sets(data, chosen)
        return [
            f"start from {locate(init)}",
            f"{sets.own} utterances, {len(sets.train) - sets.own} to replay, {len(sets.dev)} to watch",
            f"{len(plan_steps(sets, chosen))} steps",
            str(asdict(chosen)),
        ]

    def evaluate(
        self, model: str, base: str, data: Path, out: Path, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Measure; ``options`` are the rest of :class:`.evaluation.EvaluateOptions`."""
        return evaluate(EvaluateOptions(tuned=model, base=base, data=data, **options), out)

    def plan_evaluation(self, model: str, base: str, data: Path, options: Mapping[str, Any]) -> list[str]:
        """Return the models and the sets."""
        return plan(EvaluateOptions(tuned=model, base=base, data=data, **options))

    def export(self, run: Path, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Export; ``options`` are those of :class:`.export.ExportOptions`."""
        return export(run, out, ExportOptions(**options))

    def plan_export(self, run: Path) -> list[str]:
        """Return what the run came to."""
        found = read_run(run)
        return [f"best CER on dev {100 * found.result['best_cer']:.1f} %, from {found.settings['init']}"]

    def told(self, step: str, result: Mapping[str, Any]) -> list[str]:
        """Return the error rates, and what the export changed."""
        return {"train": _trained, "evaluate": _evaluated, "export": _exported}[step](result)

    def gate(self, report: Mapping[str, Any]) -> list[Check]:
        """Return the conditions for promotion, of a model that was trained, or taught exact length."""
        return shortened.gate(report) if report.get("kind") == shortened.KIND else gates.gate(report)

    def served(self, models: Path) -> Path:
        """Return the directory that a server with ``asr.model`` auto serves now."""
        return open_directory("auto", models).path


def _trained(result: Mapping[str, Any]) -> list[str]:
    early = " (stopped early)" if result["stopped_early"] else ""
    best = (
        f"best CER on dev {100 * result['best_cer']:.1f} % at step {result['best_step']} of {result['steps']}"
    )
    return [best + early]


def _evaluated(report: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, key in (("CER", "cer"), ("MER", "mer")):
        before, after = (report[key][side] for side in ("base", "tuned"))
        lines.append(
            f"{name}  {100 * before['value']:.1f} % -> {100 * after['value']:.1f} % "
            f"({100 * after['low']:.1f} to {100 * after['high']:.1f})"
        )
    return [*lines, f"errors fell by {100 * report['relative_fall']:.0f} %"]


def _exported(result: Mapping[str, Any]) -> list[str]:
    parity = result["parity"]
    return [
        f"{parity['same']} of {parity['utterances']} transcripts as in PyTorch; CER "
        f"{100 * parity['cer_pytorch']:.1f} % before quantisation, {100 * parity['cer_quantised']:.1f} % "
        f"after; {parity['rtf']:.3f} s of computing a second of speech"
    ]


TASK: Task = RecogniserTask()
