"""Finding what was said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diarization import Role
from pipeline.calls.overview import CallFilter
from pipeline.calls.reach import CallReach
from pipeline.errors import InvalidRequest
from pipeline.record.search import SearchWanted, Utterance, UtteranceIndex, is_phrase_in

KEY = bytes(range(32))


def said(number: int, text: str, role: Role = Role.CUSTOMER, **more: str) -> Utterance:
    return Utterance(
        record_id=f"r{number // 10}", utterance_id=f"0-{number}", seq=number, text=text, role=role,
        started_at=1.7e9 + number // 10, **more,
    )  # fmt: skip


def found(index: UtteranceIndex, text: str, **more: object) -> list[int]:
    wanted = SearchWanted(text=text, **more)  # type: ignore[arg-type]
    return sorted(hit.seq for hit in index.search(wanted, 100))


@pytest.fixture
def index(tmp_path: Path) -> UtteranceIndex:
    made = UtteranceIndex(tmp_path / "index", KEY)
    made.write(
        [
            said(1, "我要投訴漫遊收費", queue="billing"),
            said(2, "OK 多謝，Netflix 計劃呢？", role=Role.AGENT),
            said(11, "投", agent_id="a7"),
            said(12, "漫遊，投訴", team="cards"),
            said(21, "裡面啲嘢係咪壞咗"),
        ]
    )
    return made


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("投訴", [1, 12]),
        ("投诉", [1, 12]),
        ("漫遊收費", [1]),
        ("遊收", [1]),
        ("投", [1, 11, 12]),
        ("netflix", [2]),
        ("NETFLIX 計劃", [2]),
        ("裏面", [21]),
        ("訴漫", [1]),
        ("漫遊投訴", [12]),
        ("多謝 netflix", [2]),
        ("訴訟", []),
        ("計", [2]),
    ],
)
def test_words_of_any_length_are_found(index: UtteranceIndex, query: str, hits: list[int]) -> None:
    assert found(index, query) == hits


def test_a_search_is_narrowed(index: UtteranceIndex) -> None:
    assert found(index, "多謝", role=Role.AGENT) == [2]
    assert found(index, "多謝", role=Role.CUSTOMER) == []
    assert found(index, "投訴", calls=CallFilter(queues=frozenset({"billing", "loans"}))) == [1]
    assert found(index, "投訴", calls=CallFilter(teams=frozenset({"cards"}))) == [12]
    assert found(index, "投", calls=CallFilter(agent_ids=frozenset({"a7"}))) == [11]
    assert found(index, "投訴", since=1.7e9 + 1) == [12]
    assert found(index, "投訴", until=1.7e9 + 1) == [1]


def test_what_is_out_of_reach_takes_no_room_among_the_hits(tmp_path: Path) -> None:
    index = UtteranceIndex(tmp_path / "index", KEY)
    index.write(
        [said(0, "投訴", agent_id="me"), *(said(number, "投訴", team="loans") for number in range(10, 900))]
    )
    for reach, hits in (
        (CallReach(tenant="bank", agent_id="me", teams=frozenset()), [0]),
        (CallReach(tenant="bank", agent_id="me", teams=frozenset({"cards"})), [0]),
        (CallReach(tenant="bank", agent_id=None, teams=frozenset()), []),
    ):
        assert found(index, "投訴", calls=CallFilter(reach=reach)) == hits


@pytest.mark.parametrize("query", ["", "。，", "12345", "x" * 101])
def test_queries_without_a_word_are_refused(index: UtteranceIndex, query: str) -> None:
    with pytest.raises(InvalidRequest):
        found(index, query)


def test_an_utterance_takes_the_place_of_its_older_form(index: UtteranceIndex) -> None:
    index.write([said(1, "我要〔姓名〕")])
    assert found(index, "投訴") == [12]


def test_an_erased_call_is_not_found_again(index: UtteranceIndex) -> None:
    index.write((), ["r1"])
    assert found(index, "投訴") == [1]


def test_no_word_is_on_the_disk(index: UtteranceIndex, tmp_path: Path) -> None:
    assert found(index, "投訴")
    for file in (tmp_path / "index").rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            for word in ("投訴", "netflix", "billing", "cards"):
                assert word.encode() not in data, (file.name, word)


def test_an_index_of_another_form_is_made_anew(tmp_path: Path) -> None:
    UtteranceIndex(tmp_path / "index", KEY).write([said(1, "投訴")])
    assert not UtteranceIndex(tmp_path / "index", KEY).fresh
    (tmp_path / "index" / "format").write_text("0", "ascii")
    again = UtteranceIndex(tmp_path / "index", KEY)
    assert again.fresh
    assert found(again, "投訴") == []


_HAN = "投訴漫遊收費"


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(st.sampled_from(f"{_HAN} 1，a"), min_size=1, max_size=12), min_size=1, max_size=6),
    query=st.text(st.sampled_from(_HAN), min_size=1, max_size=4),
)
def test_whatever_stands_in_a_text_is_found(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], query: str
) -> None:
    index = UtteranceIndex(tmp_path_factory.mktemp("index"), KEY)
    index.write(said(number, text) for number, text in enumerate(texts))
    assert found(index, query) == [
        number for number, text in enumerate(texts) if query in text.replace("，", "").replace(" ", "")
    ]


def test_what_is_looked_up_again_is_compared_as_it_is_searched() -> None:
    assert is_phrase_in("投诉", "我要投訴")
    assert is_phrase_in("netflix 計劃", "Netflix，計劃呢")
    assert is_phrase_in("你好我想問", "你好，我想問下")
    assert not is_phrase_in("投訴", "我要〔姓名〕")
    assert not is_phrase_in("99號", "15號")
    assert is_phrase_in("15號", "下個月15號")
