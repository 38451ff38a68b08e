"""Nodes that die, freeze and leave under live calls: real processes, the real recogniser."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.rpc.cluster import Started
from tests.cluster.processes import Heard, call, cluster, free_ports, metrics, record, search, watch
from tests.record.helpers import profile, section

pytestmark = [pytest.mark.integration, pytest.mark.model]
SECONDS, CALLS = 11.5, 4


async def kill(started: Started) -> None:
    os.kill(started.nodes[0].pid or 0, signal.SIGKILL)


async def freeze(started: Started) -> None:
    pid = started.nodes[0].pid or 0
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(4.0)
    os.kill(pid, signal.SIGCONT)  # it thaws, and must learn that its calls are others' by now


async def leave(started: Started) -> None:
    await started.nodes[0].end()


@pytest.mark.skipif(sys.platform != "linux", reason="signals and processors of Linux")
@pytest.mark.parametrize("fault", [kill, freeze, leave], ids=lambda fault: fault.__name__)
async def test_no_word_is_lost_with_a_node(tmp_path: Path, fault: object) -> None:
    kept = {"record": section(tmp_path), "profiles": profile()}
    ports = free_ports(3)  # of two nodes and a gateway
    async with cluster(tmp_path, 2, ports, **kept) as started, asyncio.TaskGroup() as tasks:
        whole = tasks.create_task(call(started.port, "whole", SECONDS, pace=4.0))
        await whole
        names = [f"call-{number}" for number in range(CALLS)]
        calls = [tasks.create_task(call(started.port, name, SECONDS)) for name in names]
        watchers = [tasks.create_task(watch(started.port, name)) for name in names]
        await asyncio.sleep(5.0)
        await fault(started)  # type: ignore[operator]
        told = await asyncio.gather(*calls)
        seen = await asyncio.gather(*watchers)
        recorded = [await record(started.port, name) for name in names]
        counted = await metrics(ports + 2)
        found = await search(started.port, next(iter(told[0].finals.values()))[3][:2])
    expected = whole.result()
    moved = [heard for heard in told if any(int(name.partition("-")[2]) > 10_000 for name in heard.finals)]
    for heard in told:
        _is_whole(heard, expected)
    for client, watcher in zip(told, seen, strict=True):
        assert watcher.finals == client.finals
        assert (watcher.doubled, watcher.ended) == (0, "client")
        assert watcher.seqs == sorted(set(watcher.seqs))
    assert moved, "the fault hit no call"
    for heard, (state, finals) in zip(told, recorded, strict=True):
        assert state == "closed"
        assert finals == {name: (where, start_ms) for name, (where, start_ms, _, _) in heard.finals.items()}
    assert counted["yuetone_gateway_moved_seconds_count"] == len(moved)
    assert counted["yuetone_gateway_calls_lost_total"] == counted["yuetone_gateway_calls"] == 0.0
    assert counted["yuetone_gateway_nodes"] >= 1.0
    assert found, "gateways ask the node that has the index"


def _is_whole(heard: Heard, expected: Heard) -> None:
    """Fail where a word is missing, or there twice, against the same call without a fault."""
    assert (heard.error, heard.ended, heard.doubled) == ("", "client", 0)
    assert heard.seqs == sorted(set(heard.seqs))
    for channel in (0, 1):
        ours, theirs = heard.text(channel), expected.text(channel)
        likeness = SequenceMatcher(None, ours, theirs, autojunk=False).ratio()
        assert likeness > 0.85, (ours, theirs)
    spans = sorted(heard.finals.values())
    for (where, _, before, _), (other, behind, _, _) in pairwise(spans):
        assert where != other or behind >= before - 700, spans
