"""Pure cores: clustering, turns, words, roles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diarization import ChannelRoles, DiarizationError, Role, SpeakerTurn
from diarization.assign import main_speaker, same_names, word_speakers
from diarization.clustering import ClusterSettings, best_division, cluster, division_gain
from diarization.evidence import KEPT, RoleEvidence, read_phrases, swapped
from diarization.turns import merge_turns, read_rttm, to_rttm, who

RATE = 16_000


def voices(rng: np.random.Generator, order: list[int], spread: float = 0.5) -> np.ndarray:
    """Return unit vectors around one direction for each number in ``order``."""
    centres = np.linalg.qr(rng.standard_normal((64, 8)))[0].T
    noise = rng.standard_normal((len(order), 64)) / 8
    vectors = np.stack([centres[number] for number in order]) + spread * noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def turn(speaker: str, start: float, end: float, *, overlapped: bool = False) -> SpeakerTurn:
    return SpeakerTurn(speaker=speaker, start=int(start * RATE), end=int(end * RATE), overlapped=overlapped)


# ------------------------------------------------------------------ clustering


@pytest.mark.parametrize("order", [[0, 1] * 6, [0, 0, 1, 0, 1, 1, 0], [0, 1, 2] * 5, [0, 1]])
def test_clearly_different_voices_are_told_apart(order: list[int]) -> None:
    vectors = voices(np.random.default_rng(1), order)
    seconds = np.full(len(order), 3.0, np.float32)
    assert cluster(vectors, seconds, ClusterSettings()).tolist() == order


@pytest.mark.parametrize("count", [1, 2, 5, 12, 30])
def test_one_voice_stays_one(count: int) -> None:
    vectors = voices(np.random.default_rng(count), [0] * count)
    labels = cluster(vectors, np.full(count, 2.0, np.float32), ClusterSettings())
    assert set(labels.tolist()) == {0}


def test_nothing_is_clustered_into_nothing() -> None:
    assert not len(cluster(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ClusterSettings()))


def test_a_third_voice_needs_more_speech_than_the_second() -> None:
    vectors = voices(np.random.default_rng(3), [0, 1] * 6 + [2])
    short, long = np.full(13, 3.0, np.float32), np.full(13, 3.0, np.float32)
    short[-1], long[-1] = 1.0, 8.0
    assert cluster(vectors, short, ClusterSettings()).max() == 1
    assert cluster(vectors, long, ClusterSettings()).max() == 2


def test_those_who_speak_at_once_are_two() -> None:
    vectors = voices(np.random.default_rng(4), [0, 1] * 4 + [0, 0])
    labels = cluster(vectors, np.full(10, 3.0, np.float32), ClusterSettings(), apart=[(8, 9)])
    assert labels[8] != labels[9]


def test_a_division_of_two_voices_gains_more_than_one_of_one_voice() -> None:
    rng, seconds = np.random.default_rng(5), np.full(12, 2.0, np.float32)
    gains = [
        division_gain(found, seconds, best_division(found, seconds))
        for found in (voices(rng, [0, 1] * 6), voices(rng, [0] * 12))
    ]
    assert gains[0] > 2 * gains[1] > 0


# ------------------------------------------------------------------ turns


def test_turns_that_touch_become_one_and_others_stay() -> None:
    found = merge_turns([turn("A", 0, 1), turn("A", 1, 2), turn("B", 1.5, 3), turn("A", 2.5, 3)])
    assert [(t.speaker, t.start / RATE, t.end / RATE) for t in found] == [
        ("A", 0, 2), ("B", 1.5, 3), ("A", 2.5, 3),
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(0, 600), st.integers(1, 60)), min_size=1, max_size=20
    )
)
def test_rttm_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int, int]]
) -> None:
    turns = merge_turns(turn(speaker, start / 10, (start + length) / 10) for speaker, start, length in drawn)
    path = tmp_path_factory.mktemp("rttm") / "x.rttm"
    path.write_text(to_rttm(turns, "my call"), "utf-8")
    back = read_rttm(path)["my_call"]
    assert [(t.speaker, round(t.start / RATE, 3), round(t.end / RATE, 3)) for t in back] == [
        (t.speaker, round(t.start / RATE, 3), round(t.end / RATE, 3)) for t in turns
    ]


@pytest.mark.parametrize(
    "line", ["SPEAKER x 1 zero 1 <NA> <NA> A", "SPEAKER x", "SPEAKER x 1 -1 1 <NA> <NA> A"]
)
def test_wrong_rttm_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.rttm"
    path.write_text("SPEAKER x 1 0 1 <NA> <NA> A <NA> <NA>\n" + line + "\n", "utf-8")
    with pytest.raises(DiarizationError, match="line 2"):
        read_rttm(path)


def test_who_prefers_whoever_speaks_alone() -> None:
    turns = [turn("A", 0, 2), turn("B", 1, 2.2, overlapped=True)]
    assert who(turns, RATE, 2 * RATE) == "A"
    assert who(turns, 3 * RATE, 4 * RATE) is None
    assert who(turns, int(2.3 * RATE), int(2.4 * RATE)) == "B"


# ------------------------------------------------------------------ words


def test_words_get_the_voice_that_speaks_and_no_flicker() -> None:
    turns = [turn("A", 0, 1), turn("B", 1, 2)]
    spans = [(int(i * 0.2 * RATE), int((i + 1) * 0.2 * RATE)) for i in range(10)]
    assert word_speakers(spans, turns) == ("A",) * 5 + ("B",) * 5
    flickering = [turn("A", 0, 0.4), turn("B", 0.4, 0.6), turn("A", 0.6, 2)]
    assert set(word_speakers(spans, flickering)) == {"A"}


def test_the_main_speaker_is_known_without_words_too() -> None:
    turns = [turn("A", 0, 1), turn("B", 1, 3)]
    assert main_speaker(turns) == "B"
    assert main_speaker(turns, ("A", "A", "", "B")) == "A"
    assert main_speaker([]) == ""


def test_labels_of_another_engine_take_the_names_that_share_most_time() -> None:
    live = [turn("A1", 0, 4), turn("A2", 4, 8)]
    second = [turn("SPEAKER_01", 0, 3.8), turn("SPEAKER_00", 3.8, 8), turn("SPEAKER_02", 9, 10)]
    assert same_names(second, live) == {"SPEAKER_01": "A1", "SPEAKER_00": "A2"}


# ------------------------------------------------------------------ roles

AGENT = "多謝你致電悅通，我姓陳，請問有咩可以幫到你"
CUSTOMER = "我想問下點解我張單貴咗咁多呀"


def test_phrases_speak_for_the_right_side() -> None:
    phrases = read_phrases()
    assert phrases.weigh(AGENT) > 2 > -2 > phrases.weigh(CUSTOMER)
    assert phrases.weigh("") == 0


def test_what_one_voice_says_against_itself_speaks_for_the_other() -> None:
    evidence = RoleEvidence(read_phrases(), first_voice=0)
    evidence.put("1", {"A1": "嗯嗯"})
    assert evidence.roles()["A1"][0] is Role.UNKNOWN
    evidence.put("2", {"A2": CUSTOMER})
    roles = evidence.roles()
    assert roles["A1"][0] is Role.AGENT
    assert roles["A2"][0] is Role.CUSTOMER
    assert roles["A2"][1] > 0.9


def test_an_utterance_counts_once_however_often_it_is_attributed() -> None:
    evidence = RoleEvidence(read_phrases(), first_voice=0)
    for _ in range(5):
        evidence.put("1", {"A1": AGENT})
    once = evidence.odds()["A1"]
    evidence.put("1", {"A2": AGENT})
    assert evidence.odds() == {"A2": pytest.approx(once)}


def test_the_first_voice_stays_the_first_however_often_it_is_attributed() -> None:
    evidence = RoleEvidence(read_phrases(), first_voice=0.8)
    evidence.put("0", {})
    evidence.put("1", {"A1": "嗯"})
    evidence.put("1", {"A1": "嗯"})
    evidence.put("2", {"A2": "嗯"})
    assert evidence.odds() == {"A1": pytest.approx(0.8), "A2": 0.0}
    assert evidence.fresh().odds() == {}


def test_voices_can_be_judged_without_channels() -> None:
    evidence = RoleEvidence(read_phrases(), first_voice=0)
    evidence.put("1", {"channel 0": AGENT})
    evidence.put("2", {"A1": CUSTOMER})
    assert set(evidence.roles(leave="channel ")) == {"A1"}


def test_memory_of_what_was_said_is_bounded() -> None:
    evidence = RoleEvidence(read_phrases())
    for number in range(KEPT + 50):
        evidence.put(str(number), {"A1": AGENT})
    assert evidence.roles()["A1"][0] is Role.AGENT


def test_swapped_channels_need_strong_evidence() -> None:
    assert swapped(agent=-2.0, customer=2.0)
    assert not swapped(agent=0.0, customer=2.0)
    assert not swapped(agent=3.0, customer=-3.0)


def test_a_centre_adds_its_own_phrases(tmp_path: Path) -> None:
    path = tmp_path / "phrases.toml"
    path.write_text("[[agent]]\nweight = 4.0\npatterns = ['飛龍哥哥']\n", "utf-8")
    assert read_phrases((path,)).weigh("我係飛龍哥哥") > read_phrases().weigh("我係飛龍哥哥")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[agent]]\nweight = -1\npatterns = []", "sign"),
        ("[[agent]]\npatterns = ['x']", "weight"),
        ("[[agent]]\nweight = 1\npatterns = ['(']", "phrases.toml"),
        ("[[robot]]\nweight = 1\npatterns = ['x']", "robot"),
        ("what", "phrases.toml"),
    ],
)
def test_wrong_phrases_say_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "phrases.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(DiarizationError, match=reason):
        read_phrases((path,))


def test_roles_can_be_swapped_and_forgotten() -> None:
    roles = ChannelRoles([Role.AGENT, Role.CUSTOMER])
    roles.swap()
    assert [roles.of(0), roles.of(1)] == [Role.CUSTOMER, Role.AGENT]
    roles.exchange_from(16_000)
    assert [roles.of(0, at) for at in (0, 15_999)] == [Role.CUSTOMER] * 2
    assert [roles.of(0, 16_000), roles.of(0)] == [Role.AGENT] * 2
    roles.forget()
    assert roles.of(0) is Role.UNKNOWN
    assert roles.count == 2


async def test_wrong_phrases_leave_what_was_read_before(tmp_path: Path) -> None:
    from pipeline.config import load_settings  # noqa: PLC0415
    from pipeline.engines import build_phrases  # noqa: PLC0415
    from pipeline.errors import SettingsError  # noqa: PLC0415
    from pipeline.reloading import Reloaded  # noqa: PLC0415

    path = tmp_path / "phrases.toml"
    path.write_text("[[agent]]\nweight = 4.0\npatterns = ['飛龍哥哥']\n", "utf-8")
    settings = load_settings(flags={"profiles": {"default": {"diarization": {"phrases": [str(path)]}}}})
    phrases = Reloaded("phrases", lambda: build_phrases(settings))
    before = phrases.value
    path.write_text("[[agent]\n", "utf-8")
    with pytest.raises(SettingsError, match=r"profiles\.default\.diarization\.phrases"):
        await phrases.reload()
    assert phrases.value is before
