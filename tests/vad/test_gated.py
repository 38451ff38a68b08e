from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.audio import speech_16k
from vad.base import FRAME_SAMPLES
from vad.gated import GatedVad
from vad.graph import many_calls
from vad.silero import SileroModel, SileroState, model_path

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


def test_many_channels_in_one_run_hear_what_each_hears_alone(vad: GatedVad) -> None:
    speech = speech_16k()
    voices = [speech, speech[::-1].copy(), np.roll(speech, 9000), speech[: len(speech) // 2]]
    alone = [vad.stream().accept(voice) for voice in voices]
    streams = [vad.stream() for _ in voices]
    together: list[list[float]] = [[] for _ in voices]
    for start in range(0, len(speech), 1280):
        here = [i for i, voice in enumerate(voices) if start < len(voice)]
        found = vad.accept([(streams[i], voices[i][start : start + 1280]) for i in here])
        for index, probabilities in zip(here, found, strict=True):
            together[index] += probabilities
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_turned_graph_computes_what_the_published_one_does(vad: GatedVad) -> None:
    published = onnxruntime.InferenceSession(str(model_path()), providers=["CPUExecutionProvider"])
    frames = speech_16k()[: 40 * FRAME_SAMPLES].reshape(40, FRAME_SAMPLES)
    heard = np.concatenate([np.concatenate([np.zeros((1, 64)), frames[:-1, -64:]]), frames], axis=1)
    zero = np.zeros((1, 1, 128), np.float32)
    wanted, _h, _c = published.run(None, {"input": heard.astype(np.float32), "h": zero, "c": zero})
    model, state = SileroModel(), SileroState()
    found = [float(model.probabilities([frame], [state])[0]) for frame in frames]
    np.testing.assert_allclose(found, wanted.reshape(-1), atol=1e-5)


def test_another_graph_is_refused() -> None:
    with pytest.raises(ValueError, match="another graph"):
        many_calls(b"")
