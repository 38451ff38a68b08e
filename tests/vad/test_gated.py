from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio import speech_16k
from vad.base import FRAME_SAMPLES
from vad.gated import GatedVad

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def vad() -> GatedVad:
    return GatedVad()


def test_silence_and_noise_are_not_speech(vad: GatedVad) -> None:
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(48_000) * 0.01).astype(np.float32)
    assert max(vad.stream().accept(np.zeros(48_000, np.float32))) == 0.0
    assert max(vad.stream().accept(noise)[10:]) < 0.5


def test_speech_is_found_where_it_is(vad: GatedVad) -> None:
    speech = speech_16k()
    silence = np.zeros(32_000, np.float32)
    probabilities = np.array(vad.stream().accept(np.concatenate([silence, speech, silence])))
    first = 32_000 // FRAME_SAMPLES
    inside = probabilities[first + 5 : first + len(speech) // FRAME_SAMPLES - 5]
    assert np.mean(inside > 0.5) > 0.7
    assert probabilities[: first - 4].max() < 0.3
    assert probabilities[-30:].max() < 0.3


def test_pieces_give_the_same_decisions_as_the_whole(vad: GatedVad) -> None:
    speech = speech_16k()
    whole = vad.stream().accept(speech)
    stream, pieces = vad.stream(), []
    position = 0
    for size in np.random.default_rng(1).integers(1, 3000, 400):
        pieces += stream.accept(speech[position : position + size])
        position += size
    np.testing.assert_allclose(pieces, whole, atol=1e-5)


def test_streams_do_not_disturb_each_other(vad: GatedVad) -> None:
    speech = speech_16k()
    alone = vad.stream().accept(speech)
    first, second = vad.stream(), vad.stream()
    other: NDArray[np.float32] = speech[::-1].copy()
    mixed: list[float] = []
    for start in range(0, len(speech), 4096):
        mixed += first.accept(speech[start : start + 4096])
        second.accept(other[start : start + 4096])
    np.testing.assert_allclose(mixed, alone, atol=1e-5)
