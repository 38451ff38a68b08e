"""The simulation of many nodes: it follows its costs, and loses no call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.cluster.commits import CALLS, EVENTS
from benchmarks.cluster.simulate import PLANNED, Costs, Database, costs_of, failing, talking

COSTS = Costs(commit_core_s=0.0002, row_core_s=0.00004, disk_s=0.0015, call_core_s=0.02)


def p95(result: dict[str, Any]) -> float:
    return float(result["event_until_safe"]["p95_ms"])


def test_events_come_at_the_rate_of_real_calls_and_cost_what_they_cost() -> None:
    said = talking(600, COSTS, 12.0, cores=8)
    assert said["nodes"] == 600 / CALLS
    assert abs(said["events_a_s"] / (600 * EVENTS) - 1) < 0.1
    assert said["commits_a_s"] <= said["events_a_s"] * 1.1, "events that come together share a transaction"
    assert 0 < said["database_cores"] < 1


def test_a_database_that_is_full_lets_events_wait() -> None:
    few, many = talking(600, COSTS, 6.0, cores=1), talking(12_000, COSTS, 6.0, cores=1)
    assert p95(many) > 3 * p95(few)
    assert p95(talking(12_000, COSTS, 6.0, cores=16)) < p95(many)
    slow = talking(600, replace(COSTS, disk_s=0.05), 6.0, cores=8)
    assert p95(slow) > p95(few)


def test_every_call_of_a_dead_host_goes_on_or_is_counted_as_refused() -> None:
    fault = failing(1_500, COSTS, 8, 0.25, "killed")
    assert fault["moved"] + fault["refused"] == fault["died"] * PLANNED
    assert fault["refused"] > 0 or fault["gap"]["p95_ms"] < 60_000
    gentle = failing(1_500, replace(COSTS, call_core_s=0.01), 8, 0.1, "killed")
    assert gentle["refused"] == 0
    assert gentle["gap"]["p50_ms"] < failing(1_500, COSTS, 8, 0.1, "power off")["gap"]["p50_ms"]


def test_transactions_wait_for_a_core_one_after_the_other() -> None:
    class Even(Database):
        def _shaken(self) -> float:
            return 1.0

    database = Even(COSTS, 1, rng=None)  # type: ignore[arg-type]
    first, second = database.commit(0.0, 1), database.commit(0.0, 1)
    assert round(first, 6) == 0.0017
    assert round(second - first, 6) == COSTS.commit_core_s


def test_costs_are_those_of_the_result() -> None:
    commits = [
        {"calls": 180, "database_cores": 0.02, "commits_a_s": 150.0, "commit": {"p50_ms": 1.7}},
        {"calls": 540, "database_cores": 0.08, "commits_a_s": 400.0, "commit": {"p50_ms": 2.0}},
    ]
    costs = costs_of({"commits": commits}, {"runs": [{"cores_used": 0.8, "streams": 40}]})
    assert round(costs.commit_core_s, 6) == 0.0002
    assert round(costs.disk_s, 6) == 0.0015
    assert costs.call_core_s == 0.04
