from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.base import SAMPLE_RATE, AsrRequest
from asr.ctc import CONTEXT, CTC_FILE, CtcHead
from asr.finding import find_recogniser
from asr.forced_alignment import SPIKE_DELAY, ForcedAligner, _best_path
from asr.whisper import WhisperEngine
from asr.wordtimes import STATE_SAMPLES
from tests.audio import turn_16k

D, BLANK = 4, 3


def aligner() -> ForcedAligner:
    """Feature i speaks for token i * 10, the last one for the blank."""
    return ForcedAligner(
        CtcHead(
            tokens=np.array([0, 10, 20], np.int32),
            weight=np.eye(D, dtype=np.float32) * 8,
            bias=np.zeros(D, np.float32),
            gate=np.array([1, 1, 1, -1], np.float32),
            gate_bias=0.0,
            inner=np.zeros((0, (2 * CONTEXT + 1) * D), np.float32),
            inner_bias=np.zeros(0, np.float32),
            outer=np.zeros((D, 0), np.float32),
        )
    )


def states(length: int, **spikes: int) -> np.ndarray:
    """Return states that are blank but where ``token=state`` says otherwise."""
    own = np.tile(np.eye(D, dtype=np.float32)[BLANK], (length, 1))
    for token, state in spikes.items():
        own[state] = np.eye(D, dtype=np.float32)[int(token[1:])]
    return own


def test_each_token_begins_before_its_spike() -> None:
    found = aligner().place(states(40, t0=8, t1=20, t2=22), [0, 10, 20], 40 * STATE_SAMPLES)
    assert found is not None
    assert [start / STATE_SAMPLES for start in found.starts] == [8 - SPIKE_DELAY, 20 - SPIKE_DELAY, 21, 40]
    assert found.probabilities == pytest.approx([1, 1, 1], abs=0.01)


def test_a_text_that_the_head_would_not_write_is_placed_all_the_same() -> None:
    """The decoder wrote token 10 where the head hears token 20: unlikely, but where else should it be."""
    found = aligner().place(states(40, t0=8, t2=20), [0, 10], 40 * STATE_SAMPLES)
    assert found is not None
    assert found.starts[0] == (8 - SPIKE_DELAY) * STATE_SAMPLES
    assert found.starts[0] < found.starts[1] < 40 * STATE_SAMPLES
    assert found.probabilities[0] > 0.9
    assert found.probabilities[1] < 0.5


def test_equal_tokens_have_a_blank_between_them() -> None:
    """One long spike is one token; the second must be behind a blank, even where nothing speaks for it."""
    own = states(12, t1=3)
    own[4] = own[3]
    scores = own[:, [BLANK, 1, 1]] * 8
    path = _best_path(scores, [1, 1])
    assert set(path) >= {1, 2, 3}, "first token, blank, second token"
    apart = _best_path(scores, [1, 2])  # other tokens may touch
    assert 2 not in set(apart[3:5])


def test_states_that_are_no_numbers_are_not_placed() -> None:
    own = states(12, t1=3)
    own[5] = np.nan
    assert aligner().place(own, [10], 12 * STATE_SAMPLES) is None


def test_tokens_without_a_row_lie_between_their_neighbours() -> None:
    found = aligner().place(states(40, t0=10, t2=30), [0, 99, 20], 40 * STATE_SAMPLES)
    assert found is not None
    first, between, last, end = (start / STATE_SAMPLES for start in found.starts)
    assert (first, last, end) == (10 - SPIKE_DELAY, 30 - SPIKE_DELAY, 40)
    assert between == pytest.approx((first + last) / 2, abs=0.1)


def test_what_cannot_be_placed_is_told() -> None:
    assert aligner().place(states(40), [98, 99, 10], 40 * STATE_SAMPLES) is None, "most tokens have no row"
    assert aligner().place(states(2), [0, 10, 20], 2 * STATE_SAMPLES) is None, "fewer states than tokens"
    assert aligner().place(states(4), [10, 10, 10], 4 * STATE_SAMPLES) is None, "no room for the blanks"
    nothing = aligner().place(states(4), [], 4 * STATE_SAMPLES)
    assert nothing is not None
    assert nothing.starts == [4 * STATE_SAMPLES]


@pytest.mark.model
def test_a_text_that_cannot_be_placed_is_warped_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = WhisperEngine(find_recogniser("tiny", Path("/nowhere")))
    said = turn_16k(3)
    requests = [AsrRequest(pcm=said, final=True), AsrRequest(pcm=said, final=True)]
    placed, _same = engine.transcribe(requests)
    place, calls = ForcedAligner.place, iter([True, False])
    monkeypatch.setattr(ForcedAligner, "place", lambda *given: place(*given) if next(calls) else None)
    first, second = engine.transcribe(requests)
    assert [word.start for word in first.words] == [word.start for word in placed.words]
    assert [word.text for word in second.words] == [word.text for word in first.words]
    assert [word.start for word in second.words] != [word.start for word in first.words]


@pytest.fixture(scope="module", params=["with a head", "without"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WhisperEngine:
    bundled = find_recogniser("tiny", Path("/nowhere"))
    if request.param == "with a head":
        return WhisperEngine(bundled)
    folder = tmp_path_factory.mktemp("headless")
    for file in bundled.path.iterdir():
        if file.name != CTC_FILE:
            (folder / file.name).symlink_to(file)
    return WhisperEngine(find_recogniser(str(folder), Path("/nowhere")))


@pytest.mark.model
def test_words_are_where_they_were_said(engine: WhisperEngine) -> None:
    """Two turns behind each other: the second one's first word is where that begins."""
    margin = 3200
    first, second = turn_16k(3, margin / SAMPLE_RATE), turn_16k(5, margin / SAMPLE_RATE)
    pcm = np.concatenate([first, second])
    words = engine.transcribe([AsrRequest(pcm=pcm, final=True)])[0].words
    assert all(0 <= word.start <= word.end <= len(pcm) for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert all(0 < word.confidence <= 1 for word in words)
    assert "".join(word.text for word in words).endswith("唔該晒")
    assert words[-3].start == pytest.approx(len(first) + margin, abs=SAMPLE_RATE // 5)


@pytest.mark.model
def test_a_batch_with_nothing_said_in_one_of_them(engine: WhisperEngine) -> None:
    said = turn_16k(3)
    requests = [AsrRequest(pcm=np.zeros_like(said), final=True), AsrRequest(pcm=said, final=True)]
    nothing, something = engine.transcribe(requests)
    assert not nothing.words
    assert something.words == engine.transcribe(requests[1:])[0].words
