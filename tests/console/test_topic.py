"""Rows that change, and readers that are slow: each has the newest in the end, and never anything older."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from console.live.topic import MOST_GONE, MOST_ROWS, Topic

KEYS = st.sampled_from("abcde")
STEPS = st.lists(
    st.one_of(st.tuples(KEYS, st.integers(0, 5)), st.tuples(KEYS, st.none()), st.just("read")), max_size=60
)


@given(STEPS)
def test_a_reader_of_any_speed_has_what_is_there(steps: list[tuple[str, int | None] | str]) -> None:
    topic, real = Topic(), dict[str, int]()
    seq, seen = None, dict[str, int]()

    def read() -> None:
        nonlocal seq
        patch = topic.since(seq)
        if patch is None:
            return
        if patch.snapshot:
            seen.clear()
        for key in patch.gone:
            seen.pop(key, None)
        for row in map(json.loads, patch.rows):
            seen[row["key"]] = row["n"]
        assert seq is None or patch.seq > seq
        seq = patch.seq

    for step in steps:
        if isinstance(step, str):
            read()
            assert seen == real
            continue
        key, value = step
        if value is None:
            topic.drop(key)
            real.pop(key, None)
        else:
            topic.put(key, {"n": value})
            real[key] = value
    read()
    assert seen == real
    assert topic.since(seq) is None or not real


def test_what_has_not_changed_is_not_sent_again() -> None:
    topic = Topic()
    assert topic.put("a", {"n": 1})
    assert not topic.put("a", {"n": 1})
    assert topic.version == 1


def test_rows_keep_the_order_in_which_they_came() -> None:
    topic = Topic()
    for key in "cab":
        topic.put(key, {})
    topic.put("c", {"n": 2})
    patch = topic.since(None)
    assert patch is not None
    assert [json.loads(row)["key"] for row in patch.rows] == ["c", "a", "b"]


def test_it_is_bounded_and_a_reader_from_long_ago_begins_anew() -> None:
    topic = Topic()
    topic.put("first", {})
    for number in range(MOST_ROWS + MOST_GONE + 10):
        topic.put(str(number), {"n": number})
    patch = topic.since(1)
    assert patch is not None
    assert patch.snapshot
    assert len(patch.rows) == MOST_ROWS
    recent = topic.since(topic.version - 3)
    assert recent is not None
    assert not recent.snapshot
    assert len(recent.rows) + len(recent.gone) <= 4


def test_a_row_that_is_written_again_and_again_is_not_the_one_that_goes() -> None:
    topic = Topic()
    topic.put("state", {"n": 0})
    for number in range(MOST_ROWS + 10):
        topic.put(str(number), {"n": number})
        topic.put("state", {"n": number + 1})
    patch = topic.since(None)
    assert patch is not None
    keys = [json.loads(row)["key"] for row in patch.rows]
    assert keys[0] == "state"
    assert keys[1] == "11"
