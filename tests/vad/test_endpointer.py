from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vad.base import FRAME_SAMPLES
from vad.endpointer import (
    Endpointer,
    EndpointerSettings,
    EndpointEvent,
    EndReason,
    Expect,
    SpeechBegan,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
)


def feed(segmenter: Endpointer, *runs: tuple[float, int]) -> list[EndpointEvent]:
    return [
        event
        for probability, frames in runs
        for _ in range(frames)
        for event in segmenter.accept(probability)
    ]


def test_speech_gives_begin_pause_end_with_rolls() -> None:
    settings = EndpointerSettings()
    events = feed(Endpointer(settings), (0.0, 30), (0.9, 40), (0.0, 30))
    began, paused, ended = events
    assert isinstance(began, SpeechBegan)
    assert isinstance(paused, SpeechPaused)
    assert isinstance(ended, SpeechEnded)
    assert began.start == 30 * FRAME_SAMPLES - 256 * 16
    assert ended.speech_end == 70 * FRAME_SAMPLES
    assert ended.end == ended.speech_end + settings.post_roll_ms * 16
    assert paused.end == ended.end, "the final computed ahead must cover the same audio"
    assert ended.reason is EndReason.SILENCE


def test_short_burst_is_not_speech() -> None:
    assert feed(Endpointer(EndpointerSettings()), (0.0, 10), (0.9, 2), (0.0, 40)) == []


def test_pause_inside_a_sentence_resumes() -> None:
    events = feed(Endpointer(EndpointerSettings()), (0.9, 20), (0.0, 8), (0.9, 20), (0.0, 30))
    assert [type(event) for event in events] == [
        SpeechBegan,
        SpeechPaused,
        SpeechResumed,
        SpeechPaused,
        SpeechEnded,
    ]


def test_hold_open_waits_longer_and_only_for_this_pause() -> None:
    segmenter = Endpointer(EndpointerSettings())
    feed(segmenter, (0.9, 20), (0.0, 7))
    segmenter.expect(Expect.MORE, segmenter.open_since or 0)
    assert not any(isinstance(event, SpeechEnded) for event in feed(segmenter, (0.0, 20)))
    feed(segmenter, (0.9, 10))
    assert any(isinstance(event, SpeechEnded) for event in feed(segmenter, (0.0, 14)))


def test_long_speech_is_cut_at_its_best_pause() -> None:
    settings = EndpointerSettings(max_utterance_ms=4800, cut_search_ms=2400)
    segmenter = Endpointer(settings)
    events = feed(segmenter, (0.9, 110), (0.4, 4), (0.9, 60))
    ended = next(event for event in events if isinstance(event, SpeechEnded))
    assert ended.reason is EndReason.LENGTH
    assert 110 * FRAME_SAMPLES <= ended.end <= 114 * FRAME_SAMPLES
    again = [event for event in events if isinstance(event, SpeechBegan)][1]
    assert again.start == ended.end


def test_flush_ends_the_open_utterance_and_nothing_else() -> None:
    segmenter = Endpointer(EndpointerSettings())
    assert segmenter.flush() == []
    feed(segmenter, (0.9, 20))
    (ended,) = segmenter.flush()
    assert isinstance(ended, SpeechEnded)
    assert ended.reason is EndReason.FLUSH
    assert ended.end <= segmenter.position


@pytest.mark.parametrize(
    "wrong", [{"onset": 0.3}, {"speculate_ms": 900}, {"hangover_ms": 5000}, {"cut_search_ms": 20_000}]
)
def test_contradictory_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="vad: need"):
        EndpointerSettings(**wrong)  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 1), max_size=900), st.integers(0, 2**32))
def test_utterances_never_overlap_and_always_end(probabilities: list[float], seed: int) -> None:
    settings = EndpointerSettings(max_utterance_ms=2000, cut_search_ms=1000)
    segmenter = Endpointer(settings)
    events: list[EndpointEvent] = []
    for index, probability in enumerate(probabilities):
        events += segmenter.accept(probability)
        if (seed >> (index % 32)) & 1 and index % 97 == 0:
            segmenter.expect(Expect.MORE, segmenter.open_since or 0)
    events += segmenter.flush()
    last_end, is_open = 0, False
    for event in events:
        if isinstance(event, SpeechBegan):
            assert not is_open
            assert event.start >= last_end
            is_open = True
        elif isinstance(event, SpeechEnded):
            assert is_open
            assert event.start < event.end <= segmenter.position
            assert event.start <= event.speech_end <= event.end
            assert event.end - event.start <= (2000 + 256 + 64) * 16
            last_end, is_open = event.end, False
    assert not is_open


def test_what_a_cut_leaves_behind_never_ends_before_it_begins() -> None:
    settings = EndpointerSettings(max_utterance_ms=960, cut_search_ms=640)
    events = feed(Endpointer(settings), (0.9, 22), (0.3, 40))
    ends = [event for event in events if isinstance(event, SpeechEnded)]
    assert len(ends) == 2, "cut at its length while silent, and then the rest"
    assert all(event.start <= event.speech_end <= event.end for event in ends)


def test_a_whole_sentence_ends_sooner_and_late_words_change_nothing_of_the_next() -> None:
    settings = EndpointerSettings()
    segmenter = Endpointer(settings)
    began, paused = feed(segmenter, (0.9, 40), (0.0, 5))
    assert isinstance(began, SpeechBegan)
    assert isinstance(paused, SpeechPaused)
    segmenter.expect(Expect.END, began.start)
    (ended,) = feed(segmenter, (0.0, 3))
    assert isinstance(ended, SpeechEnded)
    assert ended.end == paused.end, "what was computed ahead must be what is published"
    (second,) = feed(segmenter, (0.9, 40))
    assert isinstance(second, SpeechBegan)
    segmenter.expect(Expect.END, began.start)  # the first utterance's words, too late
    assert [type(event) for event in feed(segmenter, (0.0, 8))] == [SpeechPaused]


@pytest.mark.parametrize("finished", [0, 10_000])
def test_finished_ms_is_kept_between_its_neighbours(finished: int) -> None:
    segmenter = Endpointer(EndpointerSettings(finished_ms=finished))
    (began, _paused) = feed(segmenter, (0.9, 40), (0.0, 5))
    segmenter.expect(Expect.END, began.start)
    ended = feed(segmenter, (0.0, 9))
    assert [type(event) for event in ended] == [SpeechEnded]
