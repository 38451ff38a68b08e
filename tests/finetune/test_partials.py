"""A CTC head for a model that stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asr.base import AsrRequest
from asr.directory import read_recogniser
from asr.finding import TINY_PATH, find_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine
from benchmarks.serving.peers.tiny_shape import build
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.manifest import read_manifest
from scripts.finetune.recogniser.head import Head, examples, finished, measure, started_head
from scripts.finetune.recogniser.partials import HeadOptions, add_head, keep_head, train_head
from scripts.finetune.recogniser.running import load
from scripts.finetune.tiny.general import make_general
from tests.audio import speech_16k

pytestmark = pytest.mark.model
CHECKPOINT = Path("scripts/finetune/tiny/checkpoint")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken") / "general"
    make_general(folder, count=6, seed=3)
    return folder


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    return load(read_recogniser(TINY_PATH), beam=1)


def test_a_head_begins_where_a_training_ended_and_can_be_served(spoken: Path, tmp_path: Path) -> None:
    options = HeadOptions(epochs=1, inner=8, start=CHECKPOINT, threads=1)
    facts = add_head(find_recogniser("tiny", tmp_path), spoken, spoken, tmp_path / "live", options)
    assert facts["cer"] < 0.5
    assert facts["cer"] <= facts["before"]["cer"], "the best epoch is kept, the start among them"
    assert 0.02 < facts["open"] < 0.4
    assert json.loads((tmp_path / "live" / "partials.json").read_text("utf-8"))["cer"] == facts["cer"]
    served = WhisperEngine(read_recogniser(tmp_path / "live"), WhisperOptions(partials="ctc"))
    (live,) = served.transcribe([AsrRequest(pcm=speech_16k(), final=False)])
    assert live.words
    assert (tmp_path / "live" / "model.bin").read_bytes() == (TINY_PATH / "model.bin").read_bytes()
    with pytest.raises(FinetuneError, match="exists"):
        add_head(find_recogniser("tiny", tmp_path), spoken, spoken, tmp_path / "live", options)


def test_training_from_nothing_learns(spoken: Path, engine: WhisperEngine) -> None:
    manifest = read_manifest(spoken)
    options = HeadOptions(epochs=40, rate=1e-2, inner=16, batch_states=3000, threads=1)
    _head, facts = train_head(engine, manifest, manifest, options)
    assert facts["before"]["cer"] > 0.9
    assert facts["cer"] < 0.6, "24 sentences can be learned by heart"


def test_the_gate_loses_next_to_nothing(spoken: Path, engine: WhisperEngine) -> None:
    manifest = read_manifest(spoken)
    head = started_head(engine, [u.text for u in manifest.utterances], 192, CHECKPOINT, 0)
    found = examples(engine, manifest, head)
    gated = finished(head, found)
    kept, opened, total = [], 0, 0
    for example in found:
        states = example.states.astype(np.float32)
        logits = states @ gated.weight.T + gated.bias
        wanted = np.flatnonzero(logits.argmax(1) != len(gated.tokens))
        let_through = np.flatnonzero(states @ gated.gate + gated.gate_bias >= 0)
        kept += list(np.isin(wanted, let_through))
        opened, total = opened + len(let_through), total + len(states)
    assert np.mean(kept) > 0.97
    assert opened < 0.3 * total
    assert measure(engine, gated, manifest)["cer"] < 0.5


def test_a_head_of_another_model_is_told(spoken: Path, engine: WhisperEngine) -> None:
    texts = [u.text for u in read_manifest(spoken).utterances]
    with pytest.raises(FinetuneError, match="another model"):
        started_head(engine, texts, 384, CHECKPOINT, 0)


def test_a_head_that_is_much_worse_than_the_decoder_is_not_kept(
    spoken: Path, engine: WhisperEngine, tmp_path: Path
) -> None:
    manifest = read_manifest(spoken)
    good = started_head(engine, [u.text for u in manifest.utterances], 192, CHECKPOINT, 0)
    assert keep_head(engine, good.linear, manifest, tmp_path)["kept"] == 1.0
    assert (tmp_path / "ctc.npz").is_file()
    (tmp_path / "ctc.npz").unlink()
    untrained = Head(range(good.linear.out_features - 1), 192, 0)
    assert keep_head(engine, untrained.linear, manifest, tmp_path)["kept"] == 0.0
    assert not (tmp_path / "ctc.npz").exists()


def test_the_bundled_model_at_tinys_shape_writes_the_same(tmp_path: Path) -> None:
    build(tmp_path / "tiny")
    directory = read_recogniser(tmp_path / "tiny")
    assert (directory.partials, directory.min_context_s) == ("ctc", 0.0)
    request = AsrRequest(pcm=speech_16k(), final=True)
    live = AsrRequest(pcm=speech_16k(), final=False)
    wide = WhisperEngine(directory, WhisperOptions(partials="ctc"))
    narrow = WhisperEngine(read_recogniser(TINY_PATH), WhisperOptions(partials="ctc"))
    assert wide.transcribe([request])[0].text == narrow.transcribe([request])[0].text
    assert wide.transcribe([live])[0].text == narrow.transcribe([live])[0].text
