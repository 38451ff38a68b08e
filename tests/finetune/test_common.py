"""Splits, statistics, folders, gates and promotions."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.files import sha256_of
from models.promotion import read_promotions
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, same_settings, write_json
from scripts.finetune.common.manifest import Manifest, Utterance, read_manifest, write_manifest
from scripts.finetune.common.promotion import promote, read_report, rollback
from scripts.finetune.common.split_step import make_split, parse_shares
from scripts.finetune.common.splitting import (
    check_frozen,
    frozen_record,
    read_frozen,
    refuse_frozen,
    split,
)
from scripts.finetune.common.statistics import error_rate, worse_probability
from scripts.finetune.common.task import Check, find_task
from scripts.finetune.corpus.checks import Data, run_checks
from scripts.finetune.recogniser.gates import gate
from scripts.finetune.recogniser.scores import (
    by_group,
    cer,
    digit_accuracy,
    group_names,
    mer,
    score,
    term_accuracy,
)
from tests.finetune.toy import utterance

pytestmark = pytest.mark.training
SHARES = {"train": 0.7, "dev": 0.15, "test": 0.15}


def centre(calls: int, agents: int, seed: int = 0) -> list[Utterance]:
    """Return utterances of calls between their own customers and shared agents."""
    rng = random.Random(seed)
    out: list[Utterance] = []
    for call in range(calls):
        for role, speaker in (("customer", f"c{call}"), ("agent", f"a{rng.randrange(agents)}")):
            length = rng.randint(16_000, 160_000)
            out.append(utterance(len(out), call=f"call{call}", role=role, speaker=speaker, end=length))
    return out


@settings(max_examples=25)
@given(st.integers(60, 200), st.integers(20, 40), st.integers(0, 5))
def test_no_speaker_and_no_call_is_in_two_sets(calls: int, agents: int, seed: int) -> None:
    utterances = centre(calls, agents, seed)
    sets = split(utterances, SHARES, seed=seed)
    for key in ("call", "speaker", "id"):
        members = [{getattr(u, key) for u in part} for part in sets.values()]
        assert not members[0] & members[1]
        assert not members[0] & members[2]
        assert not members[1] & members[2]
    assert sum(map(len, sets.values())) == len(utterances)
    total = sum(u.seconds for u in utterances)
    for role in ("customer", "agent"):
        share = sum(u.seconds for u in sets["train"] if u.role == role) / sum(
            u.seconds for u in utterances if u.role == role
        )
        assert 0.5 < share < 0.85
    assert 0.6 < sum(u.seconds for u in sets["train"]) / total < 0.8


def test_a_centre_with_one_agent_cannot_be_split_by_speaker() -> None:
    utterances = centre(50, 1)
    with pytest.raises(FinetuneError, match="--tie customer"):
        split(utterances, SHARES, seed=0)
    sets = split(utterances, SHARES, seed=0, tied_roles=frozenset({"customer"}))
    assert all(sets.values())


def test_the_test_set_is_frozen_and_refused_for_training(tmp_path: Path) -> None:
    sets = split(centre(80, 25), SHARES, seed=1)
    test = Manifest(tmp_path, sets["test"])
    write_json(tmp_path / "frozen.json", frozen_record(sets["test"], test.sha256))
    frozen = read_frozen(tmp_path)
    check_frozen(test, frozen)
    refuse_frozen(Manifest(tmp_path, sets["train"]), frozen)
    leaked = [*sets["train"], sets["test"][0].model_copy(update={"call": "new", "speaker": "new"})]
    with pytest.raises(FinetuneError, match="1 utterances, 0 calls and 0 speakers"):
        refuse_frozen(Manifest(tmp_path, leaked), frozen)
    other = [sets["test"][0].model_copy(update={"sha256": "f" * 64})]
    with pytest.raises(FinetuneError, match="0 utterances, 1 calls and 1 speakers"):
        refuse_frozen(Manifest(tmp_path, other), frozen)
    edited = [sets["test"][0].model_copy(update={"text": "改咗"}), *sets["test"][1:]]
    with pytest.raises(FinetuneError, match="was changed since it was frozen"):
        check_frozen(Manifest(tmp_path, edited), frozen)


def test_a_frozen_test_set_stays_as_it_was_when_calls_are_added(tmp_path: Path) -> None:
    shares = parse_shares("70,15,15")
    first, second = tmp_path / "prepared", tmp_path / "more" / "prepared"
    for folder in (first, second):
        folder.mkdir(parents=True)
    old = centre(80, 25)
    write_manifest(first / "manifest.jsonl", old)
    make_split(first, tmp_path / "split", shares, seed=1, frozen=None, tie="all")
    test = read_manifest(tmp_path / "split" / "test.jsonl")
    new = [utterance(10_000 + n, call=f"new{n}", speaker=f"n{n}") for n in range(40)]
    again = [u.model_copy(update={"text": "又寫過"}) for u in old[::2]]  # prepared anew, half of it rejected
    write_manifest(second / "manifest.jsonl", again + new)
    make_split(second, tmp_path / "split2", shares, seed=2, frozen=tmp_path / "split", tie="all")
    kept = read_manifest(tmp_path / "split2" / "test.jsonl")
    assert [u.text for u in kept.utterances] == [u.text for u in test.utterances]
    assert {kept.folder.joinpath(u.audio).resolve() for u in kept.utterances} == {
        test.folder.joinpath(u.audio).resolve() for u in test.utterances
    }
    assert read_frozen(tmp_path / "split2") == read_frozen(tmp_path / "split")
    for name in ("train", "dev"):
        refuse_frozen(read_manifest(tmp_path / "split2" / f"{name}.jsonl"), read_frozen(tmp_path / "split"))
    for text in ("80,20", "nan,1,1", "inf,1,1", "0,1,1"):
        with pytest.raises(FinetuneError, match="three positive numbers"):
            parse_shares(text)
    with pytest.raises(FinetuneError, match="too few calls"):
        split(centre(3, 2), shares, seed=0)


def test_manifests_come_back_and_bad_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, centre(3, 2))
    assert read_manifest(tmp_path).utterances == tuple(centre(3, 2))
    path.write_text(path.read_text() + '{"id": "x"}\n')
    with pytest.raises(FinetuneError, match=r"manifest.jsonl:7: not an utterance \(call\)"):
        read_manifest(tmp_path)
    write_manifest(path, [utterance(1), utterance(1)])
    with pytest.raises(FinetuneError, match="same id"):
        read_manifest(tmp_path)
    with pytest.raises(FinetuneError, match="make one with 'prepare'"):
        read_manifest(tmp_path / "nowhere")


def test_results_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(RuntimeError), building(out, {"a": 1}) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert not out.exists()
    with pytest.raises(FinetuneError, match="other settings \\(a\\)"), building(out, {"a": 2}):
        pass
    with building(out, {"a": 1}) as folder:
        assert (folder / "half").read_text() == "x", "what was done must still be there"
    with pytest.raises(FinetuneError, match="not overwritten"), building(out, {"a": 1}):
        pass
    same_settings(out, {"a": 1})


def test_intervals_cover_the_truth_and_resample_whole_calls() -> None:
    rng = random.Random(3)
    covered = 0
    for trial in range(40):
        calls = [f"c{i // 5}" for i in range(200)]
        level = {call: rng.uniform(0.0, 0.4) for call in set(calls)}
        errors = [sum(rng.random() < level[call] for _ in range(20)) for call in calls]
        rate = error_rate(calls, errors, [20] * 200, seed=trial)
        covered += rate.low <= 0.2 <= rate.high
    assert covered >= 34
    assert error_rate([], [], []).count == 0


def test_better_and_worse_are_told_apart() -> None:
    calls = [f"c{i}" for i in range(60)]
    before, after = [3] * 60, [2] * 60
    assert worse_probability(calls, before, after, [10] * 60)["worse"] == 0.0
    assert worse_probability(calls, after, before, [10] * 60)["worse"] == 1.0
    assert worse_probability([], [], [], [])["worse"] == 1.0


def test_scores_by_hand() -> None:
    said = [
        utterance(0, text="我嘅電話係九一二三四五六七"),
        utterance(1, text="幫我 cancel HomeHub Pro", role="agent", speaker="x"),
    ]
    scored = score(said, ["我嘅電話係九一二三四五六七", "幫我 cancer HomeHub Pro"])
    assert (scored[0].errors, scored[1].errors, scored[1].units) == (0, 1, len("幫我cancelhomehubpro"))
    assert (scored[1].mixed_errors, scored[1].mixed_units) == (1, 5)
    assert cer(scored).value == 1 / (13 + 18)
    assert mer(scored).value == 1 / (13 + 5)
    assert digit_accuracy(scored) == {"right": 1, "of": 1, "share": 1.0}
    assert term_accuracy(scored, ["Home Hub Pro", "cancel"]) == {"right": 1, "of": 2, "share": 0.5}
    assert set(by_group(scored, ["a", "b"])) == {"a", "b"}
    assert group_names(said, lambda u: u.speaker) == ["(small groups)"] * 2


def good_report() -> dict[str, Any]:
    """Return an evaluation that passes every gate."""
    rate = {"value": 0.2, "low": 0.1, "high": 0.3, "units": 1000, "count": 9}
    better = {**rate, "value": 0.1}
    return {
        "complete": True,
        "test": {"sha256": "t", "utterances": 100, "calls": 20, "hours": 0.1},
        "cer": {"base": rate, "tuned": better},
        "comparison": {"difference": -0.1, "low": -0.15, "high": -0.05, "worse": 0.0},
        "groups": {"role": {"agent": {"base": rate, "tuned": better}}, "speaker": {}},
        "general": {"cer": {"base": rate, "tuned": {**rate, "value": 0.205}}},
        "context": {"tuned": {"served": "exact", "exact": better, "padded": better}},
        "speed": {"ratio": 1.02},
    }


def _failed(report: dict[str, Any]) -> list[str]:
    return [check.name for check in gate(report) if not check.passed]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"complete": False}, "whole test set"),
        ({"comparison": {"difference": -0.001, "worse": 0.2}}, "CER on the frozen test set"),
        ({"comparison": {"difference": 0.01, "worse": 0.0}}, "CER on the frozen test set"),
        ({"general": None}, "general Cantonese"),
        ({"general": {"cer": {"base": {"value": 0.2}, "tuned": {"value": 0.211}}}}, "general Cantonese"),
        ({"speed": {"ratio": 1.11}}, "speed"),
        (
            {"context": {"tuned": {"served": "exact", "exact": {"value": 0.104}, "padded": {"value": 0.1}}}},
            "exact length against padded",
        ),
        (
            {
                "groups": {
                    "role": {"agent": {"base": {"value": 0.1}, "tuned": {"value": 0.121}}},
                    "speaker": {},
                }
            },
            "no role or speaker left behind",
        ),
    ],
)
def test_each_gate_closes_on_its_own(change: dict[str, Any], name: str) -> None:
    assert _failed(good_report()) == []
    assert _failed({**good_report(), **change}) == [name]


def fake_model(folder: Path, weights: str) -> Path:
    """Write a directory with the files that the server asks for."""
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "model.bin").write_text(weights)
    return folder


def test_promotions_are_kept_and_rolled_back(tmp_path: Path) -> None:
    models = tmp_path / "models"
    ok, bad = Check(name="a", passed=True, detail=""), Check(name="b", passed=False, detail="too bad")
    first, second = (fake_model(tmp_path / name, name) for name in ("first", "second"))
    with pytest.raises(FinetuneError, match="not promoted: b: too bad"):
        promote(first, models, kind="recogniser", checks=[ok, bad], report=good_report(), reason=None)
    assert read_promotions(models).stack == []
    one = promote(first, models, kind="recogniser", checks=[ok], report=good_report(), reason=None)
    two = promote(second, models, kind="recogniser", checks=[bad], report=good_report(), reason="urgent")
    found = read_promotions(models)
    assert found.stack == [one.name, two.name]
    assert found.history[1]["forced"] == "urgent"
    assert found.history[1]["by"]
    assert rollback(models, kind="recogniser", reason="names") == one.name
    assert rollback(models, kind="recogniser", reason="more") is None
    with pytest.raises(FinetuneError, match="nothing was promoted"):
        rollback(models, kind="recogniser", reason="")
    assert [entry["action"] for entry in read_promotions(models).history] == ["promote"] * 2 + [
        "rollback"
    ] * 2


def test_a_report_of_another_model_is_refused(tmp_path: Path) -> None:
    model, current, other = (fake_model(tmp_path / name, name) for name in ("m", "c", "o"))
    sides = {"tuned": model, "base": current}
    report = {"models": {side: {"sha256": sha256_of(f / "model.bin")} for side, f in sides.items()}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert read_report(tmp_path, model, current) == report
    with pytest.raises(FinetuneError, match="did not measure the model to promote"):
        read_report(tmp_path, other, current)
    with pytest.raises(FinetuneError, match="did not measure the model that is served now"):
        read_report(tmp_path, model, other)


@pytest.mark.parametrize("content", ["[1, 2]", '{"models": [1]}', '{"models": {"tuned": 3}}', "{"])
def test_a_report_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    model = fake_model(tmp_path / "m", "m")
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(FinetuneError, match=r"evaluate|not valid JSON"):
        read_report(tmp_path, model, model)


def test_only_one_run_works_in_a_folder(tmp_path: Path) -> None:
    with building(tmp_path / "out", {}) as folder:
        assert folder.exists()
        with pytest.raises(FinetuneError, match="another run is working"), building(tmp_path / "out", {}):
            pass
    assert not list((tmp_path / "out").glob(".lock"))


def test_unknown_tasks_are_refused() -> None:
    with pytest.raises(FinetuneError, match="there are: recogniser"):
        find_task("telepathy")


def clean() -> Data:
    """Return data that no check complains of."""
    texts = [
        "我想查詢我張單點解咁貴。",
        "唔該你幫我轉駁去技術部。",
        "我個寬頻成日斷線呀。",
        "好呀，麻煩晒你。",
    ]
    members = [utterance(n, text=texts[n % 4], heard=texts[n % 4]) for n in range(520)]
    row = {"seconds": 4.0, "channels": 1, "sample_rate": 8000, "clipped": 0.0}
    rows = [{**row, "call": u.call, "source": f"{u.call}.wav"} for u in members]
    return Data(
        utterances=members,
        recordings=rows,
        rejects=[],
        notes=[],
        unreadable=[],
        token_count=lambda _: 1,
        allow_fewer=False,
    )


def test_clean_data_passes_every_check() -> None:
    levels = {finding.name: finding.level for finding in run_checks(clean())}
    assert set(levels.values()) == {"ok"}, levels


def _level(data: Data, name: str) -> str:
    return next(finding.level for finding in run_checks(data) if finding.name == name)


def test_each_check_finds_its_fault() -> None:
    data = clean()
    few = replace(data, utterances=data.utterances[:499])
    assert _level(few, "enough recordings") == "failure"
    assert _level(replace(few, allow_fewer=True), "enough recordings") == "warning"

    def changed(**fields: Any) -> Data:
        return replace(data, utterances=[u.model_copy(update=fields) for u in data.utterances])

    assert _level(changed(speaker_known=False), "speakers") == "warning"
    assert _level(changed(sha256="0"), "duplicate audio") == "failure"
    assert _level(changed(text="他們沒有給我退款"), "Cantonese wording") == "failure"
    assert _level(changed(text="電話九一二三四五六七"), "personal data") == "warning"
    assert _level(changed(heard="完全唔同嘅另外一句説話呀"), "plausible transcripts") == "failure"
    assert _level(changed(end=1000), "silence") == "failure"
    assert _level(replace(data, token_count=lambda _: 3), "vocabulary") == "failure"
    assert _level(replace(data, rejects=[{"source": "a", "reason": "b"}] * 900), "rejects") == "failure"
    loud = [{**row, "clipped": 0.2} for row in data.recordings]
    assert _level(replace(data, recordings=loud), "clipping") == "failure"
    note = {"source": "t:1", "kind": "simplified", "detail": "请"}
    assert _level(replace(data, notes=[note]), "simplified characters") == "warning"
    assert _level(replace(data, unreadable=["audio/x.flac"]), "audio") == "failure"
    low = [{**row, "sample_rate": 6000} for row in data.recordings]
    assert _level(replace(data, recordings=low), "sample rates") == "warning"
