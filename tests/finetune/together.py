"""Trains with every small trainer, in one of several processes: torchrun -m tests.finetune.together DATA OUT.

DATA has ``clips`` (voices), ``calls`` (stereo) and ``spoken`` (a manifest).
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from asr.finding import find_recogniser
from scripts.finetune.common.processes import Team
from scripts.finetune.common.task import find_task
from scripts.finetune.recogniser.partials import HeadOptions, add_head


def check(team: Team) -> None:
    """What processes do together comes to the same in each."""
    assert team.size == 2
    assert team.share([0, 1, 2]) == [[0, 2], [1, 0]][team.index], "as long in each"
    assert team.told(float(team.index) + 5) == 5
    assert team.all(true=True)
    assert not team.all(true=team.index == 0)
    torch.manual_seed(team.index)
    network = torch.nn.Linear(3, 2)
    team.begin_alike(network)
    network(torch.full((1, 3), float(team.index))).sum().backward()
    team.average(network.parameters())
    assert network.weight.grad is not None
    assert torch.equal(network.weight.grad, torch.full((2, 3), 0.5))
    sums = [torch.zeros(()) for _ in range(2)]
    torch.distributed.all_gather(sums, network.weight.detach().sum())
    assert sums[0] == sums[1], "they begin alike"


def main(data: Path, out: Path) -> None:
    check(Team())
    options = {"epochs": 0.2, "seed": 0, "threads": 1}
    find_task("emotion").train(data / "clips", "scratch", out / "emotion", {**options, "epochs": 1.0})
    find_task("segmentation").train(data / "calls", "bundled", out / "segmentation", options)
    head = HeadOptions(epochs=2, inner=8, batch_states=1_000, threads=1)
    add_head(find_recogniser("tiny", out), data / "spoken", data / "spoken", out / "head", head)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
