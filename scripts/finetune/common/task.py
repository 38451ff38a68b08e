"""A model that can be trained here: what the frame asks of it, and where it is found.

The steps prepare, validate and split, the folders, the statistics and the promotion store know nothing of
speech recognition. Another model joins with one module that offers these functions and one line in
:data:`TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from scripts.finetune.common.errors import FinetuneError

TASKS = {
    "recogniser": "scripts.finetune.recogniser.task",
    "emotion": "scripts.finetune.emotion.task",
    "segmentation": "scripts.finetune.segmentation.task",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition of a gate.

    Attributes:
        name: of the condition.
        passed: whether it holds.
        detail: the figures behind the verdict, for people.
    """

    name: str
    passed: bool
    detail: str


class Task(Protocol):
    """The functions of one trainable model; options come from the command line."""

    def train(self, data: Path, init: str, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Learn from the ``train`` set of a split folder, watching its ``dev`` set."""
        ...

    def plan_training(self, data: Path, init: str, options: Mapping[str, Any]) -> list[str]:
        """Return what :meth:`train` would do, a line each."""
        ...

    def evaluate(
        self, model: str, base: str, data: Path, out: Path, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Measure two servable models side by side on the frozen test set; write ``report.json``.

        The report has ``models`` (each side's ``sha256``), ``test`` (its ``sha256``), and what :meth:`gate`
        wants.
        """
        ...

    def plan_evaluation(self, model: str, base: str, data: Path, options: Mapping[str, Any]) -> list[str]:
        """Return what :meth:`evaluate` would do, a line each."""
        ...

    def export(self, run: Path, out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Turn a training run into a servable directory."""
        ...

    def plan_export(self, run: Path) -> list[str]:
        """Return what :meth:`export` would do, a line each."""
        ...

    def told(self, step: str, result: Mapping[str, Any]) -> list[str]:
        """Return what people are told of a result of ``train``, ``evaluate`` or ``export``, a line each."""
        ...

    def gate(self, report: Mapping[str, Any]) -> list[Check]:
        """Return the conditions under which the measured model may be served."""
        ...

    def served(self, models: Path) -> Path:
        """Return the directory of the model that is served now."""
        ...


def find_task(name: str) -> Task:
    """Return the task called ``name``; its libraries are loaded only now.

    Raises:
        FinetuneError: there is none, or the finetune extra is not installed.
    """
    if name not in TASKS:
        raise FinetuneError(f"no task {name!r}; there are: {', '.join(TASKS)}")
    try:
        module: Any = import_module(TASKS[name])
    except ModuleNotFoundError as error:
        extras = "finetune,pyannote" if name == "segmentation" else "finetune"
        raise FinetuneError(f"{error.name} is not installed: pip install 'yuetone[{extras}]'") from error
    task: Task = module.TASK
    return task
