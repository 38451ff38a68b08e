"""One line on both channels, as recorders make it: with a lag, at another level, with noise of its own."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from diarization.crosstalk import Crosstalk
from tests.audio import demo_call
from tests.diarization.test_crosstalk import RATE, channels, heard


def mixed() -> np.ndarray:
    left, right = channels()
    return np.asarray(left + right, np.float32)


@pytest.mark.parametrize("lag_ms", [0, 1, 7, 20])
@pytest.mark.parametrize("gain_db", [-5, 0, 5])
@pytest.mark.parametrize("snr_db", [40, 10])
def test_a_copy_is_found_at_any_small_lag_and_level_on_a_noisy_line(
    lag_ms: int, gain_db: float, snr_db: float
) -> None:
    line, crosstalk, rng = mixed(), Crosstalk(), np.random.default_rng(1)
    lag = lag_ms * RATE // 1000
    copy = np.concatenate([np.zeros(lag, np.float32), line[: len(line) - lag]]) * 10 ** (gain_db / 20)
    speech = float(np.sqrt(np.mean(line[np.abs(line) > 0.02] ** 2)))
    noise = speech * 10 ** (-snr_db / 20)
    both = [line, copy] if lag_ms != 7 else [copy, line]
    heard([(p + rng.normal(0, noise, len(line))).astype(np.float32) for p in both], crosstalk)
    assert crosstalk.identical() is True


def test_a_copy_much_softer_needs_more_speech_but_is_found() -> None:
    line, crosstalk = mixed(), Crosstalk()
    heard([line, line * np.float32(0.1)], crosstalk)
    assert crosstalk.identical(seconds=30.0) is True


def test_a_copy_is_found_soon() -> None:
    line, crosstalk = mixed(), Crosstalk()
    found = None
    for start in range(0, len(line), RATE):
        heard([line[start : start + RATE]] * 2, crosstalk)
        if crosstalk.identical():
            found = start / RATE
            break
    assert found is not None
    assert found <= 12, "four seconds of speech"


@pytest.mark.parametrize("echo_db", [-8, -12, -20])
@pytest.mark.parametrize("delay_ms", [0, 5, 20])
def test_two_people_who_hear_each_other_are_no_copies(echo_db: float, delay_ms: int) -> None:
    samples, rate = demo_call()
    wide = np.asarray(soxr.resample(samples[: 40 * rate], rate, RATE), np.float32).T
    delay = delay_ms * RATE // 1000
    echo = np.zeros_like(wide)
    echo[:, delay:] = wide[::-1, : wide.shape[1] - delay] * np.float32(10 ** (echo_db / 20))
    parts, crosstalk = list(wide + echo), Crosstalk()
    for start in range(0, len(parts[0]), RATE):
        heard([part[start : start + RATE] for part in parts], crosstalk)
        assert not crosstalk.identical(), start / RATE


def test_common_noise_and_hum_make_no_copies() -> None:
    rng, parts = np.random.default_rng(2), channels()
    time = np.arange(len(parts[0])) / RATE
    common = 0.01 * np.sin(2 * np.pi * 50 * time) + rng.normal(0, 0.003, len(time))
    crosstalk = Crosstalk()
    heard([(part + common).astype(np.float32) for part in parts], crosstalk)
    assert not crosstalk.identical()


@pytest.mark.parametrize("gain_db", [0, -20])
def test_a_copy_that_was_found_stays_found(gain_db: float) -> None:
    """As a live call looks: long windows to find it, short ones to see whether it is over."""
    line, crosstalk = mixed(), Crosstalk()
    copy = line * np.float32(10 ** (gain_db / 20))
    looks: list[bool | None] = []
    found = False
    for start in range(0, len(line), RATE):
        heard([line[start : start + RATE], copy[start : start + RATE]], crosstalk)
        if found:
            looks.append(crosstalk.identical(seconds=6.0, least_s=1.0))
        found = found or bool(crosstalk.identical())
    assert found
    assert False not in looks
