"""How a fault of a cluster is judged."""

from __future__ import annotations

from benchmarks.cluster.run import gap

WHOLE = [[1.2, 0.2], [2.2, 0.2], [3.3, 0.3], [4.2, 0.2]]


def test_a_run_without_a_fault_has_no_gap() -> None:
    assert gap(WHOLE, WHOLE) == 0.0


def test_text_that_comes_late_is_a_gap() -> None:
    late = [[1.2, 0.2], [3.0, 1.0], [3.4, 0.4], [4.2, 0.2]]
    assert round(gap(late, WHOLE), 3) == 0.8


def test_text_of_speech_that_had_text_before_is_none() -> None:
    again = [[1.2, 0.2], [2.2, 0.2], [3.0, 2.5], [3.1, 2.0], [3.5, 0.5], [4.2, 0.2]]
    assert round(gap(again, WHOLE), 3) == 0.2


def test_text_that_a_later_one_covers_is_there_with_that() -> None:
    joined = [[1.2, 0.2], [4.4, 0.4]]
    assert round(gap(joined, WHOLE), 3) == 2.2
