"""What a run writes while it learns: JSON lines, TensorBoard, and a progress line."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from rich.console import Console
from rich.progress import Progress, TextColumn

LOG = "train.jsonl"
EVERY = 10


class Journal:
    """Logs one run; lines of steps that will be taken again are dropped first.

    Args:
        out: folder of the run.
        step: that the run goes on from.
        total: steps of the whole run.
        active: False in all but one process.
    """

    def __init__(self, out: Path, step: int, total: int, *, active: bool) -> None:
        self._path = out / LOG
        self._step = step
        self._active = active
        self._sums: dict[str, list[float]] = {}
        self._since = time.monotonic()
        self._board: Any = None
        self._bar = Progress(
            *Progress.get_default_columns(),
            TextColumn("{task.fields[figures]}"),
            console=Console(stderr=True),
            disable=not (active and sys.stderr.isatty()),
        )
        self._task = self._bar.add_task("training", total=total, completed=step, figures="")
        if active:
            self._forget(step)
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (slow to load)

            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step or None)

    def _forget(self, step: int) -> None:
        if self._path.exists():
            rows = [line for line in self._path.read_text("utf-8").splitlines() if _step_of(line) <= step]
            self._path.write_text("".join(line + "\n" for line in rows), "utf-8")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._board is not None:
            self._board.close()

    def step(self, parts: dict[str, torch.Tensor], rate: float) -> None:
        """Count a step; write the means of every tenth."""
        self._step += 1
        self._bar.update(self._task, completed=self._step)
        for name, value in parts.items():
            self._sums.setdefault(name, []).append(float(value))
        if self._step % EVERY == 0:
            means = {name: round(sum(v) / len(v), 4) for name, v in self._sums.items()}
            count = max(map(len, self._sums.values()))
            seconds = round((time.monotonic() - self._since) / count, 3)
            self._write({"step": self._step, "rate": round(rate, 8), **means, "seconds_per_step": seconds})
            self._sums, self._since = {}, time.monotonic()

    def evaluation(self, step: int, **figures: float) -> None:
        """Write a measurement of the dev set, its figures by name."""
        self._write({"step": step, **{name: round(value, 5) for name, value in figures.items()}})
        self._since = time.monotonic()

    def _write(self, row: dict[str, Any]) -> None:
        if not self._active:
            return
        line = json.dumps(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        for name, value in row.items():
            if name != "step":
                self._board.add_scalar(name, value, row["step"])
        if self._bar.disable:
            print(line, file=sys.stderr, flush=True)
        else:
            figures = ("loss", "dev_cer")
            shown = [f"{name} {row[name]:.3f}" for name in figures if name in row]
            self._bar.update(self._task, figures=" ".join(shown))


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        return sys.maxsize  # half a line of a killed run
