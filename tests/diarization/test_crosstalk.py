"""Two channels that hear each other."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from diarization.crosstalk import Crosstalk
from tests.audio import demo_call

RATE = 16_000


def channels(echo_db: float | None = None, delay_ms: int = 250, noise: float = 1e-4) -> list[np.ndarray]:
    """Return the bundled call's first 40 s at 16 kHz, with echo both ways if asked for."""
    samples, rate = demo_call()
    wide = np.asarray(soxr.resample(samples[: 40 * rate], rate, RATE), np.float32).T
    made = wide.copy()
    if echo_db is not None:
        delay = delay_ms * RATE // 1000
        made[:, delay:] += np.float32(10 ** (echo_db / 20)) * wide[::-1, :-delay]
    noisy = made + np.random.default_rng(0).normal(0, noise, made.shape)
    return list(noisy.astype(np.float32))


def heard(parts: list[np.ndarray], crosstalk: Crosstalk, block: int = 320) -> list[np.ndarray]:
    """Return what is left of two channels that come in turns."""
    cleaned: list[list[np.ndarray]] = [[], []]
    for start in range(0, len(parts[0]), block):
        for channel in (0, 1):
            cleaned[channel].append(crosstalk.hear(channel, parts[channel][start : start + block]))
    return [np.concatenate(pieces) for pieces in cleaned]


@pytest.mark.parametrize(("echo_db", "delay_ms"), [(-20, 150), (-20, 400), (-12, 250), (-28, 300)])
def test_echo_is_found_and_silenced_and_speech_is_kept(echo_db: float, delay_ms: int) -> None:
    clean, crosstalk = channels(), Crosstalk()
    left = heard(channels(echo_db, delay_ms), crosstalk)
    for channel in (0, 1):
        path = crosstalk.path(channel)
        assert path is not None
        assert abs(path.delay / 16 - delay_ms) < 2
        assert path.gain_db == pytest.approx(echo_db, abs=5)
        own = np.abs(clean[channel]) > 0.02
        later = np.arange(len(own)) > 20 * RATE
        kept = np.abs(left[channel][own & later]) > 0
        assert kept.mean() > 0.97
        echo = (np.abs(np.roll(clean[1 - channel], delay_ms * 16)) > 0.02) & (np.abs(clean[channel]) < 1e-3)
        assert (left[channel][echo & later] == 0).mean() > 0.9


def test_channels_without_echo_are_left_as_they_are() -> None:
    parts, crosstalk = channels(), Crosstalk()
    left = heard(parts, crosstalk)
    assert crosstalk.path(0) is None
    assert crosstalk.path(1) is None
    assert all(np.array_equal(a, b) for a, b in zip(parts, left, strict=True))
    assert not crosstalk.identical()


@pytest.mark.parametrize("block", [160, 333, 8000])
def test_the_size_of_messages_does_not_matter(block: int) -> None:
    crosstalk = Crosstalk()
    heard(channels(-20), crosstalk, block)
    path = crosstalk.path(0)
    assert path is not None
    assert abs(path.delay / 16 - 250) < 2


def test_an_utterance_that_is_echo_is_known_as_such() -> None:
    clean, crosstalk = channels(), Crosstalk()
    heard(channels(-20), crosstalk)
    power = (clean[0][: 30 * RATE].reshape(-1, RATE) ** 2).mean(axis=1)
    only_other = (clean[1][: 30 * RATE].reshape(-1, RATE) ** 2).mean(axis=1) * (power < 1e-7)
    at = int(np.argmax(only_other)) * RATE + 4000
    assert crosstalk.echo_share(0, at, at + RATE) > 0.8
    loudest = int(np.argmax(power)) * RATE
    assert crosstalk.echo_share(0, loudest, loudest + RATE) < 0.3


def test_identical_channels_are_seen_also_at_another_level() -> None:
    mono, crosstalk = channels()[0], Crosstalk()
    heard([mono, mono * np.float32(0.7)], crosstalk)
    assert crosstalk.identical()


def test_an_announcement_on_both_channels_does_not_make_them_the_same_for_good() -> None:
    parts, crosstalk = channels(), Crosstalk()
    mixed = (parts[0] + parts[1])[: 12 * RATE]
    heard([mixed, mixed], crosstalk)
    assert crosstalk.identical() is True
    heard(parts, crosstalk)
    assert crosstalk.identical(seconds=6.0, least_s=1.0) is False


def test_an_echo_that_has_gone_is_forgotten() -> None:
    crosstalk = Crosstalk()
    heard(channels(-20), crosstalk)
    assert crosstalk.path(0) is not None
    for _ in range(2):
        heard(channels(), crosstalk)
    assert crosstalk.path(0) is None


def test_a_channel_that_ends_early_or_lags_harms_nothing() -> None:
    parts, crosstalk = channels(-20), Crosstalk()
    crosstalk.hear(0, parts[0])
    crosstalk.hear(1, parts[1][: 5 * RATE])
    assert len(crosstalk.hear(1, np.zeros(0, np.float32))) == 0
    assert crosstalk.echo_share(1, 0, 10**9) <= 1.0


def test_silence_has_no_echo() -> None:
    crosstalk = Crosstalk()
    heard([np.zeros(20 * RATE, np.float32)] * 2, crosstalk)
    assert crosstalk.path(0) is None
    assert not crosstalk.identical()
