from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion import LABELS, EmotionModelError, VoiceWindow
from emotion.engine import OnnxEmotion
from emotion.features import extract
from emotion.functionals import COUNT, NAMES
from tests.audio import turn_16k

Pcm = NDArray[np.float32]
RATE = 16_000
NOISE = np.random.default_rng(0)

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def engine() -> OnnxEmotion:
    return OnnxEmotion()


def speech() -> Pcm:
    return turn_16k(1)[: 3 * RATE]


def tones(*hertz: float, seconds: float = 2.0, on: float = 1.0) -> Pcm:
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * f * time) for f in hertz) / len(hertz)
    return np.asarray(0.3 * wave * ((time % 0.2) < 0.2 * on), np.float32)


def music(seed: int) -> Pcm:
    rng, out = np.random.default_rng(seed), np.zeros(3 * RATE)
    time = np.arange(RATE // 2) / RATE
    for start in range(0, len(out), len(time)):
        for step in rng.choice([0, 4, 7, 12, 16], 3, replace=False):
            base = 220 * 2 ** (step / 12)
            chord = sum(np.sin(2 * np.pi * base * h * time) / h**1.5 for h in range(1, 6))
            out[start : start + len(time)] += chord * np.exp(-3 * time)
    return np.asarray(out / np.abs(out).max() * 0.5 + 0.002 * rng.standard_normal(len(out)), np.float32)


def test_speech_is_judged(engine: OnnxEmotion) -> None:
    reading = engine.stream().read(VoiceWindow(pcm=speech()))
    assert reading.quality > 0.5
    assert set(reading.probabilities) == set(LABELS)
    assert sum(reading.probabilities.values()) == pytest.approx(1.0, abs=1e-4)
    assert 0 <= reading.score < 0.5  # a synthetic voice that reads
    assert 0 <= reading.arousal <= 1
    assert 0 <= reading.valence <= 1


@pytest.mark.parametrize("gain_db", [-40, -20, 20])
def test_the_level_of_the_line_does_not_matter(engine: OnnxEmotion, gain_db: float) -> None:
    pcm = speech()
    plain, other = (
        engine.stream().read(VoiceWindow(pcm=np.asarray(pcm * gain, np.float32)))
        for gain in (1, 10 ** (gain_db / 20))
    )
    assert other.score == pytest.approx(plain.score, abs=0.005)
    assert other.quality == pytest.approx(plain.quality, abs=0.01)


@pytest.mark.parametrize(
    ("pcm", "reason"),
    [
        pytest.param(np.zeros(2 * RATE, np.float32), "short", id="digital silence"),
        pytest.param(np.zeros(0, np.float32), "short", id="nothing"),
        pytest.param(np.asarray(NOISE.normal(0, 1e-3, 2 * RATE), np.float32), "unvoiced", id="line noise"),
        pytest.param(np.asarray(NOISE.normal(0, 0.2, 2 * RATE), np.float32), "unvoiced", id="loud noise"),
        pytest.param(turn_16k(1)[RATE : RATE + RATE // 5], "short", id="200 ms"),
        pytest.param(tones(697, 1209), "keys", id="DTMF 1"),
        pytest.param(tones(941, 1477, on=0.6), "keys", id="DTMF #"),
        pytest.param(music(1), "music", id="music"),
        pytest.param(music(2), "music", id="other music"),
    ],
)
def test_what_is_no_speech_gets_no_opinion(engine: OnnxEmotion, pcm: Pcm, reason: str) -> None:
    reading = engine.stream().read(VoiceWindow(pcm=pcm))
    assert reading.quality == 0
    assert reading.reason == reason


def test_clipped_speech_is_judged_with_less_confidence(engine: OnnxEmotion) -> None:
    pcm = speech()
    clipped = np.clip(pcm * 30, -0.3, 0.3).astype(np.float32)
    plain, other = (engine.stream().read(VoiceWindow(pcm=sound)) for sound in (pcm, clipped))
    assert 0 < other.quality < plain.quality
    assert other.reason == "clipped"


def test_broken_samples_do_no_harm(engine: OnnxEmotion) -> None:
    pcm = speech().copy()
    pcm[1000:1100] = np.nan
    reading = engine.stream().read(VoiceWindow(pcm=pcm))
    assert np.isfinite([reading.score, reading.arousal, reading.valence]).all()


def test_a_baseline_is_learned_and_used(engine: OnnxEmotion) -> None:
    stream = engine.stream()
    readings = [stream.read(VoiceWindow(pcm=turn_16k(1)[i * RATE : (i + 3) * RATE])) for i in (0, 1, 0)]
    assert [reading.baseline for reading in readings] == [False, False, True]


def test_features_have_names_and_are_finite() -> None:
    features = extract(speech())
    assert features is not None
    assert features.figures.shape == (COUNT,) == (len(NAMES),) == (len(set(NAMES)),)
    assert np.isfinite(features.figures).all()
    assert features.mel.shape[0] == 40
    assert abs(float(features.mel.mean())) < 1e-3


# ---------------------------------------------------------------- other models


def graph(path: Path, inputs: dict[str, list[Any]], outputs: dict[str, int]) -> None:
    """Write a graph that multiplies the mean of its first input into fixed outputs."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    first = next(iter(inputs))
    nodes = [helper.make_node("ReduceMean", [first], ["mean"], keepdims=1, axes=[1])]
    constants = []
    for name, width in outputs.items():
        weights = np.linspace(-1, 1, width, dtype=np.float32)[None]
        constants.append(helper.make_tensor(f"w_{name}", kind, [1, width], weights.ravel()))
        nodes += [
            helper.make_node("Mul", ["mean", f"w_{name}"], [f"m_{name}"]),
            helper.make_node("Add", [f"m_{name}", f"w_{name}"], [name]),
        ]
    made = helper.make_graph(
        nodes, "toy",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, [1, width]) for name, width in outputs.items()],
        constants,
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path.mkdir(exist_ok=True)
    onnx.save(model, path / "model.onnx")


def declare(path: Path, text: str) -> Path:
    path.mkdir(exist_ok=True)
    (path / "emotion.toml").write_text(text, "utf-8")
    return path


WAVEFORM = """
name = "dims"
front_end = "waveform"
normalise = true
[[outputs]]
name = "logits"
names = ["arousal", "dominance", "valence"]
"""
NINE = """
front_end = "waveform"
[[outputs]]
name = "logits"
names = ["ang", "hap", "neu", "sad"]
activation = "softmax"
[labels]
ang = "angry"
hap = "happy"
neu = "neutral"
"""
ENCODER = """
front_end = "encoder"
[[outputs]]
name = "agitation"
names = ["agitation"]
activation = "sigmoid"
"""


def test_a_dimensional_waveform_model_works(tmp_path: Path) -> None:
    graph(tmp_path / "m", {"input_values": [1, "n"]}, {"logits": 3})
    engine = OnnxEmotion(declare(tmp_path / "m", WAVEFORM))
    assert engine.name == "dims"
    assert not engine.wants_states
    reading = engine.stream().read(VoiceWindow(pcm=speech()))
    assert reading.arousal == 0  # -1, clipped
    assert reading.valence == 1
    assert reading.quality > 0.5


def test_a_classifier_with_its_own_labels_works(tmp_path: Path) -> None:
    graph(tmp_path / "m", {"x": [1, "n"]}, {"logits": 4})
    reading = OnnxEmotion(declare(tmp_path / "m", NINE)).stream().read(VoiceWindow(pcm=speech()))
    assert sum(reading.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert reading.probabilities["angry"] < reading.probabilities["sad"]
    assert reading.score == pytest.approx(reading.probabilities["angry"], abs=1e-3)


def test_a_head_on_the_recognisers_states_works(tmp_path: Path) -> None:
    graph(tmp_path / "m", {"states": [1, 8]}, {"agitation": 1})
    engine = OnnxEmotion(declare(tmp_path / "m", ENCODER))
    assert engine.wants_states
    stream = engine.stream()
    states = np.full(8, 2.0, np.float32)
    assert stream.read(VoiceWindow(pcm=speech(), states=states)).score < 0.1  # sigmoid(-1 * 2 - 1)
    with pytest.raises(EmotionModelError, match="states"):
        stream.read(VoiceWindow(pcm=speech()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "outputs"),
        ('front_end = "radio"\n', "front_end"),
        ("outputs = 3\n", "emotion.toml"),
        ('[[outputs]]\nname = "logits"\nnames = ["tired"]\n', "angry"),
        ('[[outputs]]\nname = "nothing"\nnames = ["arousal"]\n', "no output 'nothing'"),
        ('[labels]\na = "furious"\n[[outputs]]\nname = "logits"\nnames = ["a"]\n', "furious"),
        ("[[[", "emotion.toml"),
    ],
)
def test_a_wrong_declaration_is_one_clear_error(tmp_path: Path, text: str, reason: str) -> None:
    graph(tmp_path / "m", {"figures": [1, COUNT]}, {"logits": 1})
    with pytest.raises(EmotionModelError, match=reason):
        OnnxEmotion(declare(tmp_path / "m", text))


def test_a_directory_without_weights_or_with_broken_ones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmotionModelError, match=r"emotion\.toml.* missing"):
        OnnxEmotion(tmp_path)
    declare(tmp_path, WAVEFORM)
    with pytest.raises(EmotionModelError, match=r"model\.onnx missing"):
        OnnxEmotion(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(EmotionModelError, match="cannot load"):
        OnnxEmotion(tmp_path)


def test_more_columns_than_declared_is_told(tmp_path: Path) -> None:
    graph(tmp_path / "m", {"x": [1, "n"]}, {"logits": 5})
    with pytest.raises(EmotionModelError, match="5 columns"):
        OnnxEmotion(declare(tmp_path / "m", NINE)).stream().read(VoiceWindow(pcm=speech()))
