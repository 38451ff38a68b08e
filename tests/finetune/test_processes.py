"""Training by several processes: what comes out is written once, and is one model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.finetune.common.folders import building
from scripts.finetune.recogniser.options import TrainOptions, plan_steps, training_sets
from scripts.finetune.tiny.general import make_general
from tests.finetune.test_emotion import voices
from tests.finetune.test_speakers import stereo_calls
from tests.finetune.toy import ROOT, toy_data

pytestmark = pytest.mark.training
LAUNCH = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


def together(*arguments: object) -> str:
    """Run a module in two processes that find each other."""
    done = subprocess.run(
        [sys.executable, *LAUNCH, *map(str, arguments)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_two_processes_train_one_recogniser(tmp_path: Path) -> None:
    run, options = tmp_path / "run", ("--epochs", 2, "--threads", 1, "--batch-seconds", 8, "--init", "tiny")
    said = together("scripts.finetune", "train", toy_data() / "split", "--out", run, *options)
    assert said.count("best CER") == 1, "one of them speaks"
    result = json.loads((run / "result.json").read_text())
    sets = training_sets(toy_data() / "split", TrainOptions(epochs=2, batch_seconds=8))
    alone = len(plan_steps(sets, TrainOptions(epochs=2, batch_seconds=8)))
    assert alone / 2 <= result["steps"] < alone / 2 + 2
    assert result["best_cer"] < 0.8


def test_two_processes_train_one_model_of_every_other_kind(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for folder in (data, out, data / "clips", data / "calls"):
        folder.mkdir()
    voices(data / "clips")
    stereo_calls(data / "calls")
    make_general(data / "spoken", count=6, seed=3)
    said = together("tests.finetune.together", data, out)
    assert said.count("epoch 2/2") == 1
    written = {path.name for path in out.iterdir()}
    assert written == {"emotion", "segmentation", "head"}, "nothing half done is left"
    assert (out / "segmentation/pytorch_model.bin").stat().st_size > 100_000


def test_every_process_has_equally_many_steps() -> None:
    options = TrainOptions(epochs=3, batch_seconds=8)
    sets = training_sets(toy_data() / "split", options)
    for size in (2, 3, 50):
        plans = [plan_steps(sets, options, process, size) for process in range(size)]
        assert len({len(plan) for plan in plans}) == 1
        heard = {index for plan in plans for _epoch, batch in plan for index in batch}
        assert heard == set(range(sets.own)), "nothing is left out"


def test_a_process_that_does_not_write_leaves_nothing(tmp_path: Path) -> None:
    with building(tmp_path / "out", {}, writes=False) as folder:
        (folder / "weights").touch()
    assert not folder.exists()
    assert not list(tmp_path.iterdir())
