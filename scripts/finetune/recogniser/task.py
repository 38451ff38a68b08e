"""The recogniser as a task of the frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.finetune.corpus.hearing import open_directory
from scripts.finetune.frame.task import Check, Task
from scripts.finetune.recogniser import gates
from scripts.finetune.recogniser.checkpoint import locate
from scripts.finetune.recogniser.evaluation import EvaluateOptions, evaluate, plan
from scripts.finetune.recogniser.export import ExportOptions, export, read_run
from scripts.finetune.recogniser.options import TrainOptions, plan_steps, training_sets
from scripts.finetune.recogniser.training import Trainer


class RecogniserTask:
    """See :class:`scripts.finetune.frame.task.Task`."""

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

    def gate(self, report: Mapping[str, Any]) -> list[Check]:
        """Return the conditions for promotion."""
        return gates.gate(report)

    def served(self, models: Path) -> Path:
        """Return the directory that a server with ``asr.model`` auto serves now."""
        return open_directory("auto", models).path


TASK: Task = RecogniserTask()
