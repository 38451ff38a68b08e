"""Reading transcripts and recordings: every format, and every way in which they can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid

from cantonese.numerals import spoken_numeral
from cantonese.read_out import read_out
from cantonese.scoring import scoring_form
from cantonese.spoken import MARKS
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.corpus.alignment import agreement, deal, tokens
from scripts.finetune.corpus.encoding import read_text
from scripts.finetune.corpus.matching import match
from scripts.finetune.corpus.recordings import BadRecording, find_recordings, read_recording, write_shard
from scripts.finetune.corpus.transcripts import Line, read_transcripts
from scripts.finetune.corpus.wording import is_mandarin

pytestmark = pytest.mark.training

TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 4
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "客戶"
        xmin = 0
        xmax = 4
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1
            text = ""
        intervals [2]:
            xmin = 1
            xmax = 2.5
            text = "唔該晒"
        intervals [3]:
            xmin = 2.5
            xmax = 4
            text = ""
"""
ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+08:00" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2500"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="agent"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>唔該晒</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""
SRT = "1\n00:00:01,000 --> 00:00:02,500\n客服：唔該晒\n\n"
VTT = "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nCustomer: 唔該晒\n"
TIMED = [
    ("a.TextGrid", TEXTGRID, "customer"),
    ("a.eaf", ELAN, "agent"),
    ("a.srt", SRT, "agent"),
    ("a.vtt", VTT, "customer"),
    ("t.csv", "Recording;Start;End;Role;Transcript\na.wav;1.0;2.5;客人;唔該晒\n", "customer"),
    ("t.jsonl", '{"audio": "a.wav", "start": 1, "end": 2.5, "role": "agent", "text": "唔該晒"}\n', "agent"),
]


@pytest.mark.parametrize(("name", "content", "role"), TIMED)
def test_every_timed_format_gives_the_same_line(tmp_path: Path, name: str, content: str, role: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    lines, bad = read_transcripts(tmp_path, None)
    assert not bad
    (line,) = lines
    assert (line.text, line.start, line.end, line.role) == ("唔該晒", 1.0, 2.5, role)
    assert Path(line.recording).stem == "a"


def test_plain_text_gives_turns_without_times(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("客服：早晨\n客戶: 我想問：幾錢？\n\n其他：冇呢個角色\n", "utf-8")
    lines, _ = read_transcripts(tmp_path, None)
    assert [(line.role, line.text) for line in lines] == [
        ("agent", "早晨"),
        ("customer", "我想問：幾錢？"),
        (None, "其他：冇呢個角色"),
    ]
    assert all(line.start is None for line in lines)


def test_rows_that_cannot_be_used_are_named_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "recording,text,start\na.wav,好,one\n,好,\nb.wav,,\nc.wav,好,nan\n", "utf-8"
    )
    (tmp_path / "t.jsonl").write_text("not json\n[1]\n", "utf-8")
    (tmp_path / "b.TextGrid").write_text("nothing of the kind", "utf-8")
    lines, bad = read_transcripts(tmp_path, None)
    assert not lines
    sources = {item.source for item in bad}
    assert sources == {"t.csv:2", "t.csv:3", "t.csv:4", "t.csv:5", "t.jsonl:1", "t.jsonl:2", "b.TextGrid"}


def test_a_table_that_is_none_of_ours_is_left_out_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a.wav,好\n", "utf-8")
    (tmp_path / "empty.csv").write_text("", "utf-8")
    (tmp_path / "._t.csv").write_bytes(b"\x00\xff")
    lines, bad = read_transcripts(tmp_path, None)
    assert not lines
    assert {item.source for item in bad} == {"t.csv", "empty.csv"}
    assert all("does not name the columns" in item.reason for item in bad)


BAD_ROWS = (
    "a.wav,agent,0,我想查單,唔該晒",  # a comma without quotes: the rest would be lost
    "a.wav,agnet,0,唔該",
    "a.wav,agent,0.5,唔該",
)


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_row_that_could_be_misread_is_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "t.csv").write_text(f"recording,role,channel,text\n{row}\n", "utf-8")
    lines, bad = read_transcripts(tmp_path, None)
    assert (lines, [item.source for item in bad]) == ([], ["t.csv:2"])


def test_a_quote_that_is_never_closed_is_an_error_not_a_long_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('recording,text\na.wav,"唔該\nb.wav,多謝\nc.wav,好\n', "utf-8")
    with pytest.raises(FinetuneError, match="never closed"):
        read_transcripts(tmp_path, None)
    (tmp_path / "t.csv").write_text('recording,text\na.wav,"唔該\nb.wav,"多謝\nc.wav,好\n', "utf-8")
    with pytest.raises(FinetuneError, match="quote"):
        read_transcripts(tmp_path, None)
    (tmp_path / "t.csv").write_text('recording,text\na.wav,"唔該\nb.wav,多謝"\nc.wav,好\n', "utf-8")
    lines, bad = read_transcripts(tmp_path, None)
    assert ([line.text for line in lines], len(bad)) == (["好"], 1)


def test_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    rows = ('{"audio": "a.wav", "text": ["a", "b"]}', '{"audio": "a.wav", "text": "\\ud800"}')
    (tmp_path / "t.jsonl").write_text("\n".join(rows), "utf-8")
    (tmp_path / "a.srt").write_text(SRT + "2\n00:00:03,000 --> bad\n遺失\n", "utf-8")
    lines, bad = read_transcripts(tmp_path, None)
    assert not lines
    assert {item.source for item in bad} == {"t.jsonl:1", "t.jsonl:2", "a.srt:1"}


def test_points_and_second_tiers_of_a_textgrid_keep_their_meaning(tmp_path: Path) -> None:
    grid = textgrid.Textgrid()
    for name in ("agent", "agent_2"):
        grid.addTier(textgrid.IntervalTier(name, [(0.0, 1.0, "早晨")], 0, 4))
    grid.addTier(textgrid.PointTier("customer", [(2.0, "喂")], 0, 4))
    grid.save(str(tmp_path / "a.TextGrid"), format="short_textgrid", includeBlankSpaces=True)
    lines, bad = read_transcripts(tmp_path, None)
    assert [line.role for line in lines] == ["agent", "agent"]
    assert [item.reason for item in bad] == ["a point, not an interval"]


def test_big5_is_named_and_read_when_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("recording,text\na.wav,唔該你幫我查下張單係咪收多咗錢\n".encode("big5hkscs"))
    with pytest.raises(FinetuneError, match="reads as big5hkscs: give --encoding big5hkscs"):
        read_text(path)
    assert "張單係咪" in read_text(path, "big5hkscs")
    with pytest.raises(FinetuneError, match="no encoding"):
        read_text(path, "klingon")
    path.write_text("recording,text\na.wav,唔該\n", "utf-16")
    assert "唔該" in read_text(path)


def test_lines_find_their_recordings_by_path_name_or_stem(tmp_path: Path) -> None:
    recordings = [tmp_path / "x" / "a.wav", tmp_path / "y" / "a.wav", tmp_path / "b.wav", tmp_path / "c.wav"]
    names = ["x/a.wav", "b", "a", "nobody.wav", "b.2024-11-03", "z/b.wav", "b.mp3"]
    lines = [Line(recording=name, text="好", source=f"t:{name}") for name in names]
    lines.append(Line(recording="notes/b", stem="b", text="好", source="sidecar"))
    matched, bad = match(tmp_path, recordings, lines)
    assert [line.recording for line in matched[recordings[0]]] == ["x/a.wav"]
    assert [line.source for line in matched[recordings[2]]] == ["t:b", "t:b.mp3", "sidecar"]
    reasons = {item.source: item.reason for item in bad}
    assert "several recordings" in reasons["t:a"]
    for name in ("nobody.wav", "b.2024-11-03", "z/b.wav"):
        assert "no such recording" in reasons[f"t:{name}"]
    assert "without a transcript" in reasons["c.wav"]


def test_kinds_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name in ("a.raw", "b.aif", ".hidden.wav"):
        (tmp_path / name).write_bytes(b"")
    found, bad = find_recordings(tmp_path)
    assert [path.name for path in found] == ["b.aif"]
    assert [(item.source, "convert it" in item.reason) for item in bad] == [("a.raw", True)]


@pytest.mark.parametrize(("subtype", "container"), [("ULAW", "wav"), ("PCM_16", "flac"), (None, "mp3")])
def test_recordings_of_any_coding_become_16_khz(tmp_path: Path, subtype: str | None, container: str) -> None:
    path = tmp_path / f"a.{container}"
    time = np.arange(8000) / 8000
    sf.write(path, 0.5 * np.stack([np.sin(880 * time)] * 2, 1), 8000, subtype=subtype)
    recording = read_recording(path)
    assert recording.sample_rate == 8000
    assert recording.audio.shape[1] == 2
    assert 15_500 < len(recording.audio) < 18_500
    shard = write_shard(tmp_path / "s.flac", recording.audio)
    assert np.array_equal(shard, sf.read(tmp_path / "s.flac", dtype="float32")[0])


def test_recordings_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF but no more")
    (tmp_path / "b.wav").write_bytes(b"")
    sf.write(tmp_path / "c.wav", np.zeros((9000, 3)), 8000)
    sf.write(tmp_path / "d.wav", np.zeros(10), 8000)
    for name, reason in (("a", "not audio"), ("b", "is empty"), ("c", "3 channels"), ("d", "shorter")):
        with pytest.raises(BadRecording, match=reason):
            read_recording(tmp_path / f"{name}.wav")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("今期$1,234蚊", "今期一千二百三十四蚊"),
        ("電話91234567", "電話九一二三四五六七"),
        ("15號3:30前", "十五號三點半前"),
        ("2025年3月", "二零二五年三月"),
        ("A123456(7)", " A 一二三四五六，括號七"),
        ("回贈5%", "回贈百分之五"),
        ("0.5個鐘", "零點五個鐘"),
        ("冇數字", "冇數字"),
    ],
)
def test_figures_are_read_out(written: str, said: str) -> None:
    assert read_out(written) == said


@given(st.integers(10, 99_999_999))
def test_amounts_survive_reading_out_and_scoring(value: int) -> None:
    assert scoring_form(read_out(f"總共${value:,}。")) == scoring_form(f"總共{spoken_numeral(value)}蚊。")


def test_a_whole_transcript_is_cut_where_utterances_meet() -> None:
    text = "早晨，我想問下張單點解貴咗。我嘅號碼係九一二三四五六七。唔該晒！"
    heard = ["早神我想文下張但點解貴咗", "哦嘅號馬係九一二三四五六", "唔該"]
    dealt = deal(heard, text)
    assert [piece.text for piece in dealt.pieces] == [
        "早晨，我想問下張單點解貴咗。",
        "我嘅號碼係九一二三四五六七。",
        "唔該晒！",
    ]
    assert not dealt.left
    assert all(piece.agreement > 0.6 for piece in dealt.pieces)


def test_text_whose_speech_was_missed_is_left_over_not_given_to_a_neighbour() -> None:
    missed = "跟住佢哋個經理話會喺下個禮拜覆返我。"
    dealt = deal(["早晨我想問張單", "唔該晒"], f"早晨，我想問張單。{missed}唔該晒。")
    assert [piece.text for piece in dealt.pieces] == ["早晨，我想問張單。", "唔該晒。"]
    assert dealt.left == (missed,)


def test_nothing_heard_gives_nothing() -> None:
    dealt = deal(["", ""], "唔該晒。")
    assert [piece.text for piece in dealt.pieces] == ["", ""]
    assert dealt.left == ("唔該晒。",)
    assert agreement("", "好") == 0.0


_TEXT = st.text("早晨我想問單唔該晒點解，。 ab", max_size=60)


@given(st.lists(_TEXT, min_size=1, max_size=5), _TEXT)
def test_dealing_loses_and_invents_nothing(heard: list[str], text: str) -> None:
    dealt = deal(heard, text)
    assert len(dealt.pieces) == len(heard)

    def bare(part: str) -> str:
        return "".join(token for token, _ in tokens(part))

    given_out = "".join(sorted(bare("".join(p.text + "。" for p in dealt.pieces) + "。".join(dealt.left))))
    assert given_out == "".join(sorted(bare(text)))
    assert all(set(piece.text) <= set(text) | set(MARKS) for piece in dealt.pieces)


def test_mandarin_is_told_from_cantonese() -> None:
    assert is_mandarin("他們沒有給我退款")
    assert not is_mandarin("佢哋冇退錢俾我")
    assert not is_mandarin("搭的士去")
    assert not is_mandarin("他話佢哋冇收到")
