from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion import SpeechCollector, SpeechWindow
from emotion.windows import HOP, LONGEST, SHORTEST

RATE = 16_000


def ramp(samples: int, start: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.arange(start, start + samples, dtype=np.float32)


def play(collector: SpeechCollector, until: int, block: int = 800) -> list[SpeechWindow]:
    found: list[SpeechWindow] = []
    while collector.position < until:
        size = min(block, until - collector.position)
        found += collector.hear(ramp(size, collector.position))
    return found


def test_silence_gives_nothing() -> None:
    collector = SpeechCollector()
    assert play(collector, 60 * RATE) == []
    assert collector.finish() == []


def test_an_utterance_is_one_window_with_its_own_samples() -> None:
    collector = SpeechCollector()
    play(collector, 2 * RATE)
    collector.begin(RATE)
    play(collector, 3 * RATE + RATE // 5)
    collector.pause()
    play(collector, 4 * RATE)
    (window,) = collector.end(3 * RATE)
    assert (window.start, window.end) == (RATE, 3 * RATE)
    assert np.array_equal(window.pcm, ramp(2 * RATE, RATE))


def test_a_long_utterance_gives_overlapping_windows_while_it_lasts() -> None:
    collector = SpeechCollector()
    collector.begin(0)
    windows = play(collector, 10 * RATE)
    windows += collector.end(10 * RATE)
    assert all(len(window.pcm) == LONGEST for window in windows)
    ends = [window.end for window in windows]
    assert all(later - earlier >= SHORTEST for earlier, later in pairwise(ends))
    assert len(windows) == 1 + (10 * RATE - LONGEST) // HOP + 1


def test_short_utterances_are_joined_and_a_lonely_shout_is_not_judged() -> None:
    collector = SpeechCollector()
    found = []
    for start in (0, 2 * RATE):
        play(collector, start + RATE)
        collector.begin(start)
        found += collector.end(start + RATE // 2)
    assert [len(window.pcm) for window in found] == [SHORTEST]
    assert (found[0].start, found[0].end) == (0, 2 * RATE + RATE // 2)
    lonely = SpeechCollector()
    play(lonely, 2 * RATE)
    lonely.begin(RATE)
    assert lonely.end(RATE + RATE // 5) == []
    assert lonely.finish() == []


def test_short_utterances_far_apart_do_not_belong_together() -> None:
    collector = SpeechCollector()
    play(collector, RATE)
    collector.begin(0)
    assert collector.end(RATE // 2) == []
    play(collector, 40 * RATE)
    collector.begin(39 * RATE)
    assert collector.end(39 * RATE + RATE * 7 // 10) == []


def test_no_window_reaches_over_lost_audio() -> None:
    collector = SpeechCollector()
    collector.begin(0)
    play(collector, 2 * RATE)
    collector.lose(5 * RATE)
    play(collector, 9 * RATE)
    (window,) = collector.end(9 * RATE)
    assert window.start >= 7 * RATE


def test_pauses_make_no_windows() -> None:
    collector = SpeechCollector()
    collector.begin(0)
    play(collector, 2 * RATE)
    collector.pause()
    assert play(collector, 6 * RATE) == []
    collector.resume()
    assert play(collector, 7 * RATE)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3 * RATE), st.integers(1, 5 * RATE)), max_size=12),
    st.integers(800, 9000),
)
def test_windows_only_hold_speech(turns: list[tuple[int, int]], block: int) -> None:
    collector, windows, spoken = SpeechCollector(), [], []
    for pause, length in turns:
        play(collector, collector.position + pause, block)
        start = collector.position
        collector.begin(start)
        windows += play(collector, start + length, block)
        windows += collector.end(start + length)
        spoken.append((start, start + length))
    windows += collector.finish()
    inside = np.zeros(collector.position + 1, bool)
    for start, end in spoken:
        inside[start:end] = True
    for window in windows:
        assert 0 < len(window.pcm) <= LONGEST
        assert inside[window.pcm.astype(int)].all()
