from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio.codecs import BLOCK_FRAMES, Blocks
from pipeline.audio.resample import Resampler
from pipeline.audio.timeline import Timeline
from pipeline.calls.info import Codec
from pipeline.errors import CallTooLong, InvalidRequest


@pytest.mark.parametrize(("codec", "subtype"), [(Codec.MULAW, "ULAW"), (Codec.ALAW, "ALAW")])
def test_g711_is_what_libsndfile_says(codec: Codec, subtype: str) -> None:
    data = bytes(range(256))
    expected, _ = sf.read(
        io.BytesIO(data), samplerate=8000, channels=1, subtype=subtype, format="RAW", dtype="float32"
    )
    ((first, (samples,)),) = Blocks(data, codec, 1)
    assert first == 0
    np.testing.assert_array_equal(samples, expected)


@given(st.binary(max_size=400))
def test_l16_round_trip(data: bytes) -> None:
    if len(data) % 2:
        with pytest.raises(InvalidRequest, match="whole samples"):
            Blocks(data, Codec.L16, 1)
        return
    samples = np.concatenate(
        [np.zeros(0, np.float32), *(part for _first, (part,) in Blocks(data, Codec.L16, 1))]
    )
    assert ((samples * 32768).astype("<i2").tobytes()) == data
    assert np.all(np.abs(samples) <= 1.0)


def test_channels_are_split() -> None:
    data = np.arange(6, dtype="<i2").tobytes()
    ((_first, (left, right)),) = Blocks(data, Codec.L16, 2)
    assert (left * 32768).tolist() == [0, 2, 4]
    assert (right * 32768).tolist() == [1, 3, 5]
    with pytest.raises(InvalidRequest, match="2 channels"):
        Blocks(data[:-2], Codec.L16, 2)


def test_a_large_message_is_decoded_block_by_block() -> None:
    blocks = Blocks(bytes(2 * 40_000), Codec.MULAW, 2)
    assert blocks.frames == 40_000
    firsts = [(first, *map(len, parts)) for first, parts in blocks]
    assert firsts == [(0, BLOCK_FRAMES, BLOCK_FRAMES), (16_384, 16_384, 16_384), (32_768, 7232, 7232)]


@given(
    st.sampled_from([8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000]),
    st.lists(st.integers(0, 4000), min_size=1, max_size=12),
)
def test_resampling_in_pieces_is_resampling(rate: int, sizes: list[int]) -> None:
    signal = np.random.default_rng(0).standard_normal(sum(sizes)).astype(np.float32) * 0.1
    whole = Resampler(rate)
    expected = np.concatenate([whole.accept(signal), whole.flush()])
    pieces, parts, position = Resampler(rate), [], 0
    for size in sizes:
        parts.append(pieces.accept(signal[position : position + size]))
        position += size
    got = np.concatenate([*parts, pieces.flush()])
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert abs(len(got) - len(signal) * 16000 / rate) <= 2


def test_a_tone_keeps_its_pitch_and_place() -> None:
    time = np.arange(8000) / 8000
    resampler = Resampler(8000)
    out = np.concatenate(
        [resampler.accept(np.sin(2 * np.pi * 440 * time).astype(np.float32)), resampler.flush()]
    )
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(out[1000:-1000], expected[1000:-1000], atol=0.01)


def timeline(rate: int = 8000, seconds: int = 100) -> Timeline:
    return Timeline(rate, rate * seconds)


def test_chunks_in_order_follow_each_other() -> None:
    line = timeline()
    for sequence in range(5):
        placed = line.place(sequence, 160, sequence * 20)
        assert (placed.missing, placed.skip, placed.late) == (0, 0, False)
    assert line.position == 5 * 320


def test_lost_messages_become_silence() -> None:
    line = timeline()
    line.place(0, 160, None)
    placed = line.place(3, 160, None)
    assert placed.missing == 2 * 160
    assert placed.jumped == 2
    assert line.gap_samples == 320


def test_a_stated_offset_beats_counting() -> None:
    line = timeline()
    line.place(0, 160, 0)
    placed = line.place(1, 160, 1020)
    assert placed.missing == 8000
    assert line.position == 16000 + 2 * 320


def test_late_and_repeated_messages_are_left_out() -> None:
    line = timeline()
    line.place(0, 160, 0)
    line.place(1, 160, 20)
    before = line.position
    assert line.place(0, 160, 0).late
    assert line.position == before


def test_after_a_reconnect_audio_sent_twice_is_skipped() -> None:
    line = timeline()
    for sequence in range(50):
        line.place(sequence, 160, sequence * 20)
    line.reconnect()
    placed = line.place(0, 8000, 500)  # the last half second again, and half a second more
    assert placed.skip == 4000
    assert not placed.late
    assert line.position == 16000 + 8000


def test_jitter_of_the_clock_is_ignored() -> None:
    line = timeline()
    line.place(0, 160, 0)
    assert line.place(1, 160, 45).missing == 0
    assert line.place(2, 160, 20).skip == 0


def test_limits() -> None:
    line = timeline(seconds=1)
    with pytest.raises(CallTooLong, match=r"limits\.max_call_s"):
        line.place(0, 160, 3_600_000)
    with pytest.raises(InvalidRequest, match="negative"):
        line.place(0, 160, -5)


def test_a_counter_that_begins_anew_goes_on() -> None:
    line = timeline()
    for sequence in range(300):
        line.place(sequence, 160, None)
    placed = line.place(0, 160, None)
    assert not placed.late
    assert placed.missing == 0
    assert line.place(1, 160, None).missing == 0
    assert line.position == 302 * 320


def test_a_counter_need_not_begin_at_zero() -> None:
    line = timeline()
    assert line.place(34_567, 160, None).missing == 0
    assert line.place(34_568, 160, None).missing == 0
    assert line.place(34_570, 160, None).missing == 160


def test_a_message_that_comes_late_is_no_new_counter() -> None:
    line = timeline()
    for sequence in range(300):
        line.place(sequence, 160, None)
    assert line.place(290, 160, None).late


def test_a_stated_offset_decides_where_a_number_fell_back() -> None:
    line = timeline()
    for sequence in range(50):
        line.place(sequence, 160, sequence * 20)
    assert not line.place(3, 160, 1000).late, "new audio under an old number"
    assert line.place(4, 160, 1020).missing == 0
    assert line.place(2, 160, 40).late, "an old message with its own old offset"


def test_a_jump_of_hours_is_refused() -> None:
    line = timeline(seconds=10_000)
    line.place(0, 160, 0)
    with pytest.raises(InvalidRequest, match="jumps 3599 s ahead, more than 600 s"):
        line.place(1, 160, 3_600_000, longest_gap_s=600)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 400)), max_size=30))
def test_audio_out_is_as_long_as_time_that_passed(steps: list[tuple[int, int]]) -> None:
    line, sequence, total = timeline(rate=16000), 0, 0
    for skip, size in steps:
        sequence += skip
        placed = line.place(sequence, size, None)
        total += sum(len(pcm) for pcm in line.gap(placed))
        total += 0 if placed.late else len(line.accept(np.zeros(size, np.float32)[placed.skip :]))
        sequence += 1
    assert total + len(line.flush()) == line.position
