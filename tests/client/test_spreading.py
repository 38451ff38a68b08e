from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from client.errors import ClientError
from client.spreading import spread


def doubled(item: int) -> tuple[int, int]:
    if item < 0:
        raise ValueError("below zero")
    return 2 * item, os.getpid()


def maker(calls: Path) -> functools.partial[tuple[int, int]]:
    with calls.open("a") as out:
        out.write(f"{os.getpid()}\n")
    return functools.partial(doubled)


@pytest.mark.parametrize("processes", [1, 2])
def test_every_item_is_worked_on_once(processes: int, tmp_path: Path) -> None:
    made = functools.partial(maker, tmp_path / "made")
    found = dict(spread(made, range(10), processes=processes))
    assert {number: value for number, (value, _pid) in found.items()} == {n: 2 * n for n in range(10)}
    workers = (tmp_path / "made").read_text().split()
    assert len(workers) == len(set(workers)) <= processes, "it is made once in each process"
    assert (str(os.getpid()) in workers) == (processes == 1)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_fails_is_raised(processes: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="below zero"):
        list(spread(functools.partial(maker, tmp_path / "made"), [1, -1], processes=processes))


def test_on_a_ray_cluster_it_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    made = functools.partial(maker, tmp_path / "made")
    found = dict(spread(made, range(6), ray="local"))
    assert {number: value for number, (value, _pid) in found.items()} == {n: 2 * n for n in range(6)}
    assert os.getpid() not in {pid for _value, pid in found.values()}


def test_without_ray_the_error_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ClientError, match=r"pip install 'yuetone\[ray\]'"):
        list(spread(functools.partial(doubled), [1], ray="auto"))  # type: ignore[arg-type]
