"""Which calls are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.quality.sampling import drawn, judged_twice

CALLS = [(f"r{number}", f"a{number % 3}") for number in range(300)]


def test_each_agent_has_a_share_and_at_least_some() -> None:
    found = drawn(CALLS, share=0.05, least=2, seed=7)
    by_agent = [sum(dict(CALLS)[name] == agent for name in found) for agent in ("a0", "a1", "a2")]
    assert by_agent == [5, 5, 5]
    few = drawn([("x", "a"), ("y", "b"), ("z", "b"), ("w", "b")], share=0.05, least=2, seed=7)
    assert len(few) == 3


def test_the_same_seed_draws_the_same_calls_in_any_order() -> None:
    assert drawn(CALLS, share=0.1, least=0, seed=7) == drawn(CALLS[::-1], share=0.1, least=0, seed=7)
    assert set(drawn(CALLS, share=0.1, least=0, seed=7)) != set(drawn(CALLS, share=0.1, least=0, seed=8))


@pytest.mark.parametrize(("share", "count"), [(0.05, 5), (0.07, 7), (0.29, 29), (0.001, 1), (1.0, 100)])
def test_a_share_is_not_rounded_up_by_how_numbers_are_kept(share: float, count: int) -> None:
    calls = [(f"r{number}", "a") for number in range(100)]
    assert len(drawn(calls, share=share, least=0, seed=7)) == count


@given(st.floats(0.001, 1.0), st.integers(0, 10), st.integers())
def test_nothing_is_drawn_twice_nor_made_up(share: float, least: int, seed: int) -> None:
    found = drawn(CALLS, share=share, least=least, seed=seed)
    assert len(found) == len(set(found))
    assert set(found) <= {name for name, _agent in CALLS}
    assert len(found) >= 3 * least


def test_every_call_is_as_likely_as_any_other() -> None:
    counts = dict.fromkeys((name for name, _agent in CALLS[:30]), 0)
    for seed in range(600):
        for name in drawn(CALLS[:30], share=0.2, least=0, seed=seed):
            counts[name] += 1
    assert min(counts.values()) > 80  # of 120 expected
    assert max(counts.values()) < 160
    assert sum(counts.values()) == pytest.approx(600 * 6)


def test_a_share_of_the_calls_is_judged_twice_and_few_calls_are_not() -> None:
    names = [f"r{number}" for number in range(25)]
    twice = judged_twice(names, share=0.1, seed=3)
    assert len(twice) == 2
    assert twice == judged_twice(reversed(names), share=0.1, seed=3)
    assert judged_twice(names[:9], share=0.1, seed=3) == []
    assert sorted(judged_twice(names, share=1.0, seed=3)) == sorted(names)
