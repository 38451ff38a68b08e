"""The steps ``promote`` and ``rollback``: what the server serves, who decided it, and why."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models import ModelError
from models.files import sha256_of
from models.promotion import Promotions, promoted_folder, read_promotions, write_promotions
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import no_traceback_when_full, read_json
from scripts.finetune.common.task import Check

WEIGHTS = ("model.bin", "model.onnx")
"""Files of weights: a recogniser's, an ONNX model's."""


def read_report(evaluation: Path, model: Path, current: Path) -> dict[str, Any]:
    """Return the report of an evaluation, if it is of these two models as they are now.

    Raises:
        FinetuneError: it is of others, or a model was changed since.
    """
    report: Any = read_json(evaluation / "report.json" if evaluation.is_dir() else evaluation)
    if not isinstance(report, dict) or not isinstance(report.get("models"), dict):
        raise FinetuneError(f"{evaluation} is no evaluation report; make one with 'evaluate'")
    for side, folder in (("tuned", model), ("base", current)):
        if _hash(report, side) != sha256_of(weights_of(folder)):
            meaning = "the model to promote" if side == "tuned" else "the model that is served now"
            raise FinetuneError(f"{evaluation} did not measure {meaning} ({folder}); evaluate again")
    return dict(report)


def weights_of(folder: Path) -> Path:
    """Return the weights in a model directory.

    Raises:
        FinetuneError: there are none.
    """
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise FinetuneError(f"{folder} has no {' or '.join(WEIGHTS)}; export the model first")


def _hash(report: Mapping[str, Any], side: str) -> object:
    model = report["models"].get(side)
    return model.get("sha256") if isinstance(model, dict) else None


def promote(
    model: Path,
    models: Path,
    *,
    kind: str,
    checks: Sequence[Check],
    report: Mapping[str, Any],
    reason: str | None,
) -> Path:
    """Copy ``model`` to where the server looks, and point at it.

    Args:
        model: servable directory.
        models: folder of installed models.
        kind: of model, such as ``recogniser``.
        checks: of the gate; a failed one needs ``reason``.
        report: of the evaluation; its figures are kept with the decision.
        reason: why a gate that failed is overruled; None does not overrule.

    Returns:
        the directory that will be served.

    Raises:
        FinetuneError: the gate failed, or there is no space.
    """
    failed = [check for check in checks if not check.passed]
    if failed and not reason:
        raise FinetuneError(f"not promoted: {'; '.join(f'{c.name}: {c.detail}' for c in failed)}")
    promotions = _promotions(models, kind)
    name = f"{model.name}-{sha256_of(weights_of(model))[:8]}"
    target = promoted_folder(models, kind) / name
    with no_traceback_when_full(target):
        if not target.exists():
            fresh = target.with_name(target.name + ".partial")
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(model, fresh, ignore=shutil.ignore_patterns("huggingface"))
            fresh.rename(target)
        promotions.stack.append(name)
        promotions.history.append(
            {
                "action": "promote",
                "model": name,
                "forced": reason if failed else None,
                "checks": [asdict(check) for check in checks],
                "test_sha256": report["test"]["sha256"],
                **_signature(),
            }
        )
        write_promotions(models, promotions, kind)
    return target


def rollback(models: Path, *, kind: str, reason: str) -> str | None:
    """Point at the model before; return its name, None for the one that was installed.

    Raises:
        FinetuneError: nothing was promoted.
    """
    promotions = _promotions(models, kind)
    if not promotions.stack:
        raise FinetuneError("nothing was promoted, so there is nothing to go back from")
    left = promotions.stack.pop()
    current = promotions.stack[-1] if promotions.stack else None
    if current and not any((promoted_folder(models, kind) / current / name).is_file() for name in WEIGHTS):
        raise FinetuneError(
            f"the model before, {current}, is gone; restore it to {promoted_folder(models, kind)}"
        )
    entry = {"action": "rollback", "model": current, "from": left, "reason": reason, **_signature()}
    promotions.history.append(entry)
    write_promotions(models, promotions, kind)
    return current


def tell_server(pid: int) -> None:
    """Ask a running server to load what is served now; its calls go on.

    Raises:
        FinetuneError: there is no such process, or it is another user's.
    """
    try:
        os.kill(pid, signal.SIGHUP)
    except (ProcessLookupError, PermissionError) as error:
        raise FinetuneError(
            f"cannot signal process {pid}; the change is made; tell the server: kill -HUP PID"
        ) from error


def _promotions(models: Path, kind: str) -> Promotions:
    try:
        return read_promotions(models, kind)
    except ModelError as error:
        raise FinetuneError(str(error)) from error


def _signature() -> dict[str, str]:
    return {"by": getpass.getuser(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
