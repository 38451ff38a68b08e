"""Train, kill, resume, export, evaluate, promote: at toy size, by the command line, on real audio."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from asr import AsrRequest
from asr.directory import read_recogniser
from asr.whisper import WhisperEngine
from models.promotion import promoted_directory, read_promotions
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import alone
from scripts.finetune.common.manifest import read_manifest
from scripts.finetune.recogniser.checkpoint import open_checkpoint
from scripts.finetune.recogniser.examples import ExampleOptions, Examples, plan_epoch
from scripts.finetune.recogniser.options import TrainOptions, epoch_members, scheduled_rate, training_sets
from scripts.finetune.recogniser.task import TASK
from scripts.finetune.recogniser.tokens import TokenLayout
from tests.finetune.toy import ROOT, finetune, made_once, run_finetune, toy_data, toys

pytestmark = pytest.mark.training

TRAINING = (
    "--epochs", "2", "--batch-seconds", "20", "--dev-utterances", "6", "--save-every", "3", "--threads", "1",
    "--workers", "0", "--rate", "0.0003", "--seed", "4",
)  # fmt: skip


def run() -> Path:
    """Return a training run that nobody interrupted."""
    return made_once("run", lambda out: finetune("train", toy_data() / "split", "--out", out, *TRAINING))


def model() -> Path:
    return made_once("model", lambda out: finetune("export", run(), "--out", out, "--name", "toy-1"))


def general() -> Path:
    return made_once("general", lambda out: finetune("general", "--out", out, "--count", "3"))


def report() -> Path:
    def evaluate(out: Path) -> None:
        terms = toys() / "terms.txt"
        terms.write_text("HomeHub Pro\n悅通智能門鎖\n")
        data = ("--data", toy_data() / "split", "--general", general(), "--terms", terms)
        finetune("evaluate", model(), *data, "--models", toys() / "none", "--out", out)

    return made_once("report", evaluate)


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "scripts.finetune",
        "train",
        str(toy_data() / "split"),
        "--out",
        str(out),
    ]
    process = subprocess.Popen([*command, *TRAINING, "--init", "tiny"], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "checkpoint.pt").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)  # into the steps behind the checkpoint
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "result.json").exists()
    finetune("train", toy_data() / "split", "--out", out, *TRAINING, "--init", "tiny")
    whole, resumed = (load_file(folder / "best.safetensors") for folder in (run(), out))
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=1e-6)
    results = [json.loads((folder / "result.json").read_text()) for folder in (run(), out)]
    assert results[0] == results[1]
    steps = [
        [json.loads(line)["step"] for line in (folder / "train.jsonl").read_text().splitlines()]
        for folder in (run(), out)
    ]
    assert steps[0] == steps[1], "the log must not tell a step twice"


def test_training_changes_the_model_and_keeps_books() -> None:
    start = open_checkpoint("tiny").whisper.state_dict()
    best = load_file(run() / "best.safetensors")
    moved = [n for n, v in best.items() if n.startswith("whisper.") and not torch.equal(v, start[n[8:]])]
    assert len(moved) > 50
    assert list((run() / "tensorboard").iterdir())
    settings = json.loads((run() / "settings.json").read_text())
    assert settings["train_utterances"] == len(read_manifest(toy_data() / "split" / "train.jsonl"))


def test_training_refuses_to_overwrite_and_to_learn_from_the_test_set(tmp_path: Path) -> None:
    data = toy_data() / "split"
    done = run_finetune("train", data, "--out", run(), *TRAINING)
    assert (done.returncode, "finished run" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr
    leaky = tmp_path / "split"
    leaky.mkdir()
    for name in ("dev.jsonl", "test.jsonl", "frozen.json"):
        (leaky / name).write_text((data / name).read_text())
    (leaky / "train.jsonl").write_text((data / "test.jsonl").read_text())
    for folder, init, options, message in (
        (leaky, "tiny", {}, "of the frozen test set"),
        (tmp_path, "tiny", {}, "make one with 'split'"),
        (data, "/nowhere/at-all", {}, "no checkpoint at"),
        (data, str(tmp_path), {}, "no config.json"),
        (data, "tiny", {"language": "xx"}, "lacks the language"),
    ):
        with pytest.raises(FinetuneError, match=message):
            TASK.train(folder, init, tmp_path / "run", {"threads": 1, **options})
    (tmp_path / "busy").mkdir()
    with alone(tmp_path / "busy"), pytest.raises(FinetuneError, match="another run is working"):
        TASK.train(data, "tiny", tmp_path / "busy", {"threads": 1})
    output = finetune("train", data, "--out", tmp_path / "dry", "--dry-run", *TRAINING)
    assert "steps" in output
    assert not (tmp_path / "dry").exists()


def test_an_exported_model_is_whole_and_says_what_it_is(tmp_path: Path) -> None:
    directory = read_recogniser(model())
    assert (directory.name, directory.min_context_s, directory.language) == ("toy-1", 0.0, "yue")
    assert directory.hotword_tokens == 24, "what the checkpoint declares must travel on"
    facts = json.loads((model() / "export.json").read_text())
    assert {"cer", "cer_decoder", "kept"} <= facts["partials"].keys(), "the head that was trained along"
    assert facts["parity"]["same"] >= facts["parity"]["utterances"] - 1
    card = (model() / "README.md").read_text()
    assert "treat the files as confidential" in " ".join(card.split())
    texts = [
        u.text for u in read_manifest(toy_data() / "split" / "train.jsonl").utterances if len(u.text) > 4
    ]
    assert not any(text in card for text in texts)
    again = open_checkpoint(str(model() / "huggingface"))
    assert again.ctc is not None
    done = run_finetune("export", run(), "--out", model())
    assert (done.returncode, "not overwritten" in done.stderr) == (2, True)
    done = run_finetune("export", tmp_path, "--out", tmp_path / "x")
    assert (done.returncode, "no finished training run" in done.stderr) == (2, True)


def test_a_trimmed_model_writes_the_same_with_fewer_tokens(tmp_path: Path) -> None:
    for name, trim in (("small", True), ("whole", False)):
        options = {"name": name, "quantization": "float32", "trim_vocabulary": trim}
        TASK.export(run(), tmp_path / name, options)
    data = read_manifest(toy_data() / "split" / "test.jsonl")
    requests = [AsrRequest(pcm=data.pcm(u), final=False) for u in data.utterances]
    texts = []
    for name in ("small", "whole"):
        engine = WhisperEngine(read_recogniser(tmp_path / name))
        texts.append([engine.transcribe([request])[0].text for request in requests])
    assert texts[0] == texts[1]
    assert any(texts[0])


def test_the_evaluation_compares_what_it_must() -> None:
    found = json.loads((report() / "report.json").read_text())
    assert found["models"]["tuned"]["name"] == "toy-1"
    assert found["models"]["base"]["name"] == "bundled"
    for part in ("cer", "mer"):
        for side in ("base", "tuned"):
            rate = found[part][side]
            assert 0 <= rate["low"] <= rate["value"] <= rate["high"]
    assert set(found["groups"]) == {"role", "speaker", "noise", "language"}
    assert set(found["groups"]["role"]) <= {"agent", "customer", "(small groups)"}
    assert found["general"]["utterances"] == 12
    assert found["speed"]["ratio"] > 0
    page = (report() / "report.html").read_text()
    assert "This page holds personal data" in page


def test_promotion_asks_the_gate_and_the_right_report(tmp_path: Path) -> None:
    models = tmp_path / "models"
    options = ("--report", report(), "--models", models)
    refused = run_finetune("promote", model(), *options)
    if refused.returncode:
        assert refused.returncode == 1
        assert "FAIL" in refused.stdout
        assert promoted_directory(models) is None
    else:  # a toy may pass: it knows the synthesiser's voices, the served model does not
        finetune("rollback", "--models", models, "--reason", "to force it")
    forced = finetune("promote", model(), *options, "--force", "a toy, for the test")
    assert "promoted: " in forced
    target = promoted_directory(models)
    assert target is not None
    engine = WhisperEngine(read_recogniser(target))
    engine.transcribe([AsrRequest(pcm=np.zeros(16_000, np.float32), final=True)])
    assert engine.name == "toy-1"
    stale = run_finetune("promote", model(), *options)
    assert (stale.returncode, "is served now" in stale.stderr) == (2, True)
    assert "installed model" in finetune("rollback", "--models", models, "--reason", "test")
    assert promoted_directory(models) is None
    assert [entry["action"] for entry in read_promotions(models).history][-2:] == ["promote", "rollback"]


def test_a_model_trained_on_wrong_transcripts_is_refused(tmp_path: Path) -> None:
    options = {"epochs": 6, "batch_seconds": 20, "dev_utterances": 6, "threads": 1, "rate": 0.002}
    TASK.train(toy_data() / "split", "tiny", tmp_path / "run", {**options, "shuffle_texts": True})
    TASK.export(tmp_path / "run", tmp_path / "bad", {"name": "bad"})
    measured = {"general": general(), "terms": (), "models": tmp_path / "models"}
    judged = TASK.evaluate(str(tmp_path / "bad"), "tiny", toy_data() / "split", tmp_path / "report", measured)
    failed = [check.name for check in TASK.gate(judged) if not check.passed]
    assert "CER on the frozen test set" in failed
    TASK.evaluate(str(tmp_path / "bad"), "auto", toy_data() / "split", tmp_path / "served", measured)
    folders = ("--report", tmp_path / "served", "--models", tmp_path / "models")
    done = run_finetune("promote", tmp_path / "bad", *folders)
    assert done.returncode == 1
    assert "not promoted" in done.stdout
    assert promoted_directory(tmp_path / "models") is None


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    seconds = [1.0 + n % 7 for n in range(100)]
    epochs = [plan_epoch(seconds, epoch=n, batch_seconds=30.0, seed=1, padded=False) for n in (0, 0, 1)]
    plan = epochs[0]
    assert plan == epochs[1]
    assert plan != epochs[2]
    assert sorted(index for batch in plan for index in batch) == list(range(100))
    assert all(len(batch) * max(seconds[i] for i in batch) <= 30.0 for batch in plan)
    padded = plan_epoch(seconds, epoch=0, batch_seconds=90.0, seed=1, padded=True)
    assert max(map(len, padded)) == 3
    manifest = read_manifest(toy_data() / "split" / "train.jsonl")
    layout = TokenLayout(open_checkpoint("tiny").tokenizer, "yue")
    options = ExampleOptions(seed=1, short_context=True, augment=1.0, timestamps=0.5)
    one, two = (Examples(manifest, layout, 80, options)[0, (0, 1, 2)] for _ in range(2))
    assert torch.equal(one.features, two.features)
    assert torch.equal(one.tokens, two.tokens)
    other = Examples(manifest, layout, 80, options)[1, (0, 1, 2)]
    assert not torch.equal(one.features[..., :50], other.features[..., :50])
    whole = ExampleOptions(seed=1, short_context=False, augment=0.0, timestamps=1.0)
    batch = Examples(manifest, layout, 80, whole)[0, (0,)]
    assert batch.features.shape == (1, 80, 3000)
    zero = layout.tokenizer.token_to_id("<|0.00|>")
    assert int(batch.tokens[0, batch.first[0]]) == zero
    assert int(batch.tokens[0, -2]) == zero + round(manifest.utterances[0].seconds / 0.02)


def test_the_rate_rises_stays_and_falls() -> None:
    options = TrainOptions()
    rates = [scheduled_rate(step, 1000, options, 1.0) for step in range(1000)]
    assert rates[0] < 0.05
    assert rates[200] == 1.0
    assert rates[-1] < 0.01
    assert max(rates) == 1.0


def test_replay_draws_other_speech_beside_the_centres(tmp_path: Path) -> None:
    seconds = [2.0] * 100 + [4.0] * 200
    options = TrainOptions(replay_share=0.5)
    drawn = [epoch_members(seconds, 100, options, epoch) for epoch in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][:100] == list(range(100))
    assert sum(seconds[index] for index in drawn[0][100:]) == pytest.approx(200, abs=4)
    assert epoch_members(seconds[:100], 100, options, 0) == list(range(100))
    finetune("general", "--replay", "4", "--out", tmp_path / "replay")
    sets = training_sets(toy_data() / "split", TrainOptions(replay=str(tmp_path / "replay")))
    assert len(sets.train) == sets.own + 4
    assert all(len(sets.train.pcm(u)) > 1000 for u in sets.train.utterances[sets.own :])
    with pytest.raises(FinetuneError, match="of the frozen test set"):
        training_sets(toy_data() / "split", TrainOptions(replay=str(toy_data() / "split" / "test.jsonl")))
