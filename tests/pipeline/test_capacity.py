"""Who is admitted: from a measured cost, what the server does, and who has not been heard yet."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr import AsrRequest, Transcript
from pipeline.config import LimitSettings
from pipeline.engines import reference_speech
from pipeline.errors import AtCapacity
from pipeline.inference.admission import CallCost, ServerLoad, carries, slots
from pipeline.inference.capacity import HEARD_S, Capacity, usable_cores
from pipeline.inference.recogniser import ServedModel
from pipeline.inference.scheduler import AsrScheduler, measured_cost
from pipeline.inference.shares import Shares
from pipeline.inference.ticker import BatchTicker
from pipeline.metrics import Metrics
from pipeline.sections.tenants import TenantSettings
from tests.fakes.engines import FakeEngine

TINY = CallCost.of_inferences(0.023, 0.008)
BASE = CallCost.of_inferences(0.25, 0.10)
IDLE = ServerLoad(finals=0.0, partials=0.0, loop=0.0)


def test_a_core_has_as_many_slots_as_its_model_costs() -> None:
    assert 15 <= slots(TINY, 1, 0.4) <= 25
    assert 3 <= slots(BASE, 1, 0.4) <= 5
    assert slots(BASE, 1, 0.1) < slots(BASE, 1, 0.4) < slots(BASE, 1, 2.0), "who may wait, may be many"
    assert slots(BASE, 2, 0.4) > slots(BASE, 1, 0.4)
    assert slots(BASE, 64, 0.4) == slots(BASE, 8, 0.4), "one thread recognises, however many cores there are"
    assert slots(CallCost.of_inferences(30.0, 9.0), 1, 0.4) == 1, "a server takes one call, slow as it may be"


def test_what_gives_way_refuses_nobody_and_what_does_not_does() -> None:
    partials = ServerLoad(finals=0.1, partials=0.7, loop=0.1)
    assert carries(TINY, partials, unheard=1, cores=1, wait_s=0.4)
    assert not carries(TINY, replace(partials, finals=0.75, partials=0.05), unheard=1, cores=1, wait_s=0.4)
    assert not carries(TINY, replace(IDLE, loop=0.85), unheard=1, cores=4, wait_s=0.4), (
        "the event loop is full"
    )


class Clock:
    now = 100.0
    spent = 0.0

    def __call__(self) -> float:
        return self.now


class Costing(AsrScheduler):
    """A recogniser whose cost is known, and whose load is what a test says."""

    known: CallCost | None = TINY
    finals = 0.0

    @property
    def cost(self) -> CallCost | None:
        return self.known

    def load(self, *, finals_only: bool = False) -> float:
        return self.finals


def capacity(clock: Clock, **limits: int) -> tuple[Capacity, Costing]:
    scheduler = Costing(
        FakeEngine, ServedModel("fake"), Metrics(), max_batch=1, max_finals=1, reference=reference_speech
    )
    chosen = LimitSettings(**limits)
    return Capacity(chosen, scheduler, BatchTicker(), clock, lambda: clock.spent, cores=1.0), scheduler


def admitted(found: Capacity, clock: Clock, wanted: int, every_s: float) -> int:
    calls = 0
    for _ in range(wanted):
        clock.now += every_s
        try:
            found.admit({None: calls})
        except AtCapacity:
            continue
        calls += 1
    return calls


def test_a_burst_is_not_admitted_on_the_load_of_an_idle_server() -> None:
    clock = Clock()
    found, _scheduler = capacity(clock)
    assert slots(TINY, 1, 0.4) * 0.9 <= admitted(found, clock, 120, 0.01) <= slots(TINY, 1, 0.4) + 2


def test_a_call_of_one_channel_counts_half() -> None:
    clock = Clock()
    found, _scheduler = capacity(clock)
    calls = 0
    with contextlib.suppress(AtCapacity):
        while True:
            found.admit({None: calls}, channels=1)
            calls += 1
    assert calls >= slots(TINY, 1, 0.4) * 1.9


def test_calls_that_have_been_heard_count_as_what_they_cost() -> None:
    clock = Clock()
    found, scheduler = capacity(clock)
    first = admitted(found, clock, 120, 0.01)
    clock.now += HEARD_S
    assert admitted(found, clock, 5, 0.01) == 5, "they are quieter than was thought"
    scheduler.finals = 0.75
    with pytest.raises(AtCapacity, match="more than this processor carries"):
        found.admit({None: first + 5})


def test_until_the_cost_is_known_few_are_taken_and_limits_hold() -> None:
    clock = Clock()
    found, scheduler = capacity(clock, max_calls=30)
    scheduler.known = None
    assert found.calls == 30
    assert admitted(found, clock, 120, 0.0) == 4
    with pytest.raises(AtCapacity, match="being loaded"):
        found.admit({None: 4})
    with pytest.raises(AtCapacity, match=r"limits\.max_calls"):
        found.admit({None: 30})
    never, _scheduler = capacity(clock, max_final_wait_ms=0)
    assert admitted(never, clock, 120, 0.0) == 120, "0 turns it off"


def test_who_is_refused_together_does_not_come_again_together() -> None:
    told = [AtCapacity("full").retry_after_ms or 0 for _ in range(200)]
    assert min(told) >= 2000
    assert max(told) <= 12_000
    assert np.ptp(told) > 5000


def test_the_cost_is_that_of_the_engine() -> None:
    class Slow(FakeEngine):
        def transcribe(self, requests: Sequence[AsrRequest]) -> tuple[Transcript, ...]:
            self.seconds = 0.05 if requests[0].final else 0.02
            return super().transcribe(requests)

    speech = reference_speech()
    assert speech.dtype == np.float32
    assert len(speech) == pytest.approx(48_000, abs=200)
    assert np.sqrt(np.mean(speech**2)) > 0.01, "somebody speaks"
    cost = measured_cost(Slow(), speech)
    assert cost.finals == pytest.approx(0.27 * 0.05, rel=0.3)
    assert cost.partials == pytest.approx(0.5 * 0.02, rel=0.3)


def test_a_container_has_the_cores_of_its_quota(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")
    assert usable_cores(quota) == 0.5
    whole = usable_cores(tmp_path / "none")
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == whole >= 1


def test_what_is_reserved_for_one_company_no_other_takes() -> None:
    tenants = {
        "bank": TenantSettings(reserved_calls=3),
        "telecom": TenantSettings(max_calls=4),
        "shop": TenantSettings(),
    }
    _other, scheduler = capacity(Clock())
    limits = LimitSettings(max_calls=8, max_final_wait_ms=0)
    found = Capacity(limits, scheduler, BatchTicker(), shares=Shares(tenants))

    def taken(tenant: str | None, **live: int) -> bool:
        by_company: dict[str | None, int] = dict(live.items())
        try:
            found.admit(by_company, tenant=tenant)
        except AtCapacity as error:
            told.append(str(error))
            return False
        return True

    told: list[str] = []
    assert taken("shop", shop=4)
    assert not taken("shop", shop=5), "three are the bank's"
    assert not taken(None, shop=5)
    assert taken("bank", shop=5)
    assert taken("bank", shop=5, bank=2)
    assert not taken("bank", shop=5, bank=3), "all eight are taken"
    assert taken("shop", shop=4, bank=3), "what the bank uses is not reserved any more"
    assert not taken("telecom", telecom=4), "it has its most"
    assert not any(word in message for message in told for word in tenants)
