"""The recogniser as a task of the frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.finetune.corpus.hearing import open_directory
from scripts.finetune.frame.task import Check, Task
from scripts.finetune.recogniser import gates
from scripts.finetune.recogniser.evaluation import EvaluateOptions, evaluate
from scripts.finetune.recogniser.export import ExportOptions, export
from scripts.finetune.recogniser.options import TrainOptions
from scripts.finetune.recogniser.training import Trainer


class RecogniserTask:
    """See :class:`scripts.finetune.frame.task.Task`."""

    def train(self, data: Path, init: str, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Fine-tune ``init``; ``options`` are those of :class:`.training.TrainOptions`."""
        return Trainer(data, init, out, TrainOptions(**options)).run()

    def evaluate(
        self, model: str, base: str, data: Path, out: Path, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Measure; ``options`` are the rest of :class:`.evaluation.EvaluateOptions`."""
        return evaluate(EvaluateOptions(tuned=model, base=base, data=data, **options), out)

    def export(self, run: Path, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Export; ``options`` are those of :class:`.export.ExportOptions`."""
        return export(run, out, ExportOptions(**options))

    def gate(self, report: Mapping[str, Any]) -> list[Check]:
        """Return the conditions for promotion."""
        return gates.gate(report)

    def served(self, models: Path) -> Path:
        """Return the directory that a server with ``asr.model`` auto serves now."""
        return open_directory("auto", models).path


TASK: Task = RecogniserTask()
