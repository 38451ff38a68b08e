"""Forms are counted right, and a review goes its way and no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from diarization import Role
from pipeline.errors import InvalidRequest, PermissionDenied, RecordUnavailable, UnknownReview
from pipeline.quality.averages import Agreement, agreement, averages
from pipeline.quality.reviews import Reviews, ReviewState, Stratum
from pipeline.quality.scoring import Answer, Proposal, proposals, score
from pipeline.record.ciphers import CallCipher
from pipeline.sections.quality import FormSettings, OptionSettings, QualitySettings, QuestionSettings
from tests.record.helpers import final, keys, store, whole_call

FORM = QualitySettings().forms["service"]
GOOD = [
    Answer(question_id="greeting", option_id="yes"), Answer(question_id="identity", option_id="yes"),
    Answer(question_id="empathy"), Answer(question_id="answer", option_id="part", comment="漏咗日期"),
    Answer(question_id="next-step", option_id="yes"),
]  # fmt: skip


class Review:
    """A review of one call, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, 5_000.0
        self.records, self.opener = store(folder), keys(folder)
        whole_call(self.records, self.opener, "r1", "你好")
        self.reviews = Reviews(self.records, 100.0, lambda: self.now)
        (self.drawn,) = self.reviews.draw(["r1"], "service", Stratum.RANDOM, "quinn")
        cipher = self.opener.cipher("r1")
        assert cipher is not None
        self.cipher: CallCipher = cipher

    @property
    def id(self) -> str:
        return self.drawn.id

    def submitted(self) -> None:
        self.reviews.save(self.id, self.cipher, FORM, GOOD, "quinn", submit=True)


@pytest.fixture
def review(tmp_path: Path) -> Iterator[Review]:
    found = Review(tmp_path)
    yield found
    found.records.close()
    found.opener.close()


def test_a_form_is_counted_by_weight_and_a_failing_answer_ends_it() -> None:
    assert score(FORM, GOOD).percent == pytest.approx(100 * (1 + 2 + 1.5 + 1) / (1 + 2 + 3 + 1))
    failed = score(FORM, [replace(GOOD[1], option_id="no") if one is GOOD[1] else one for one in GOOD])
    assert (failed.percent, failed.failed) == (0.0, True)


@pytest.mark.parametrize(
    "answers",
    [
        GOOD[:-1],
        [*GOOD, GOOD[0]],
        [*GOOD[1:], Answer(question_id="greeting")],
        [*GOOD[1:], Answer(question_id="greeting", option_id="maybe")],
        [*GOOD[1:], Answer(question_id="other", option_id="yes")],
        [*GOOD[1:], Answer(question_id="greeting", option_id="yes", comment="x" * 2_001)],
    ],
)
def test_answers_that_do_not_fit_are_refused(review: Review, answers: list[Answer]) -> None:
    with pytest.raises(InvalidRequest):
        review.reviews.save(review.id, review.cipher, FORM, answers, "quinn", submit=True)
    assert review.reviews.review(review.id).state is ReviewState.DRAWN


def test_what_was_heard_is_proposed() -> None:
    said = [final(1, "早晨，有咩幫到你", 1), final(2, "我好唔開心", 0), final(3, "對唔住呀", 1)]
    assert proposals(FORM, said) == [
        Proposal(question_id="greeting", option_id="yes", utterance_id="1-1"),
        Proposal(question_id="empathy", option_id="yes", utterance_id="1-3"),
    ]
    late = [final(30, "早晨", 1)]
    assert proposals(FORM, late)[0] == Proposal(question_id="greeting", option_id="no", utterance_id=None)
    assert proposals(FORM, [replace(final(1, "早晨", 1), role=Role.UNKNOWN)]) == []


def test_a_review_goes_from_hand_to_hand(review: Review) -> None:
    reviews, name, cipher = review.reviews, review.id, review.cipher
    assert reviews.draw(["r1"], "service", Stratum.ALERTS, "quinn") == []
    assert len(reviews.draw(["r1"], "sales", Stratum.ALERTS, "quinn")) == 1
    reviews.save(name, cipher, FORM, GOOD[:2], "quinn", submit=False)
    with pytest.raises(PermissionDenied):
        reviews.save(name, cipher, FORM, GOOD, "otto", submit=True)
    done = reviews.save(name, cipher, FORM, GOOD, "quinn", submit=True)
    assert (done.state, done.answer_until) == (ReviewState.SUBMITTED, 5_100.0)
    with pytest.raises(InvalidRequest):
        reviews.save(name, cipher, FORM, GOOD, "quinn", submit=True)
    assert reviews.answer(name, cipher, " 我有講日期 ").state is ReviewState.APPEALED
    with pytest.raises(PermissionDenied):
        reviews.decide(name, cipher, FORM, None, "no", "quinn")
    with pytest.raises(InvalidRequest):
        reviews.decide(name, cipher, FORM, None, " ", "otto")
    better = [replace(one, option_id="whole") if one.question_id == "answer" else one for one in GOOD]
    decided = reviews.decide(name, cipher, FORM, better, "有講", "otto")
    assert (decided.state, decided.score, decided.decided_by) == (ReviewState.DECIDED, 100.0, "otto")
    content = reviews.content(decided, cipher)
    assert (content.appeal, content.decision, list(content.answers)) == ("我有講日期", "有講", better)
    (listed,) = reviews.listed([ReviewState.DECIDED])
    assert [one.id for one in listed] == [name]
    assert list(reviews.listed([])) == []


def test_an_appeal_may_fail_and_an_agent_may_be_content_or_too_late(review: Review) -> None:
    review.submitted()
    review.now += 100.1
    with pytest.raises(InvalidRequest, match="over"):
        review.reviews.answer(review.id, review.cipher, "no")
    review.now -= 1.0
    assert review.reviews.answer(review.id, review.cipher, "  ").state is ReviewState.ACCEPTED
    with pytest.raises(InvalidRequest):
        review.reviews.answer(review.id, review.cipher, "no")
    with pytest.raises(InvalidRequest):
        review.reviews.decide(review.id, review.cipher, FORM, None, "why", "otto")
    with pytest.raises(UnknownReview):
        review.reviews.review("nobody")


def test_what_people_write_is_sealed(review: Review) -> None:
    review.submitted()
    told = b"".join(file.read_bytes() for file in review.folder.rglob("*") if file.is_file())
    assert "漏咗日期".encode() not in told
    other = review.opener.create([("r2", None)])["r2"]
    with pytest.raises(RecordUnavailable):
        review.reviews.content(review.reviews.review(review.id), other)


def test_forms_that_cannot_be_meant_are_refused() -> None:
    option = OptionSettings(id="a", texts={"en": "A"}, score=1.0)
    other = OptionSettings(id="b", texts={"en": "B"}, score=0.0)
    question = QuestionSettings(id="q", texts={"en": "Q"}, options=(option, other))
    with pytest.raises(ValidationError, match="same id"):
        QuestionSettings(id="q", texts={"en": "Q"}, options=(option, option))
    with pytest.raises(ValidationError, match="same id"):
        FormSettings(texts={"en": "F"}, questions=(question, question))


def test_two_people_judge_one_call_without_knowing_of_each_other(review: Review) -> None:
    reviews, cipher = review.reviews, review.cipher
    (second,) = reviews.draw(["r1"], "service", Stratum.CALIBRATION, "quinn")
    assert reviews.draw(["r1"], "service", Stratum.CALIBRATION, "quinn") == []
    reviews.save(review.id, cipher, FORM, GOOD[:1], "quinn", submit=False)
    assert reviews.judged_blindly("quinn") == {("r1", "service")}
    with pytest.raises(PermissionDenied):
        reviews.save(second.id, cipher, FORM, GOOD, "quinn", submit=True)
    reviews.save(review.id, cipher, FORM, GOOD, "quinn", submit=True)
    assert reviews.judged_blindly("quinn") == set()  # submitted: it cannot be changed any more
    other = [replace(one, option_id="whole") if one.question_id == "answer" else one for one in GOOD]
    done = reviews.save(second.id, cipher, FORM, other, "otto", submit=True)
    assert done.answer_until is None
    with pytest.raises(InvalidRequest):
        reviews.answer(second.id, cipher, "")
    scored = reviews.scored("service", 0.0, 6_000.0)
    assert {one.stratum for one in scored} == {Stratum.RANDOM, Stratum.CALIBRATION}
    assert reviews.scored("service", 0.0, review.now) == []
    assert reviews.scored("sales", 0.0, 6_000.0) == []


def test_averages_say_how_sure_they_are(review: Review) -> None:
    def scored(score: float, **more: Any) -> Any:
        return replace(review.drawn, score=score, state=ReviewState.ACCEPTED, **more)

    agents = [("a1", scored(80.0)), ("a1", scored(100.0)), ("", scored(0.0, failed=True))]
    whole, first = averages([*agents, ("a2", review.drawn)])  # one that is not judged yet counts nowhere
    assert (whole.group, whole.count, whole.mean, whole.failed) == ("", 3, 60.0, 1)
    assert (first.group, first.count, first.mean) == ("a1", 2, 90.0)
    assert whole.margin == pytest.approx(4.303 * 52.915 / 3**0.5, abs=0.01)
    assert first.margin is None  # of two
    assert averages([("a1", scored(80.0))])[0].margin is None
    twenty = averages([("a1", scored(80.0 + 10 * (n % 2))) for n in range(20)])[0]
    assert twenty.margin == pytest.approx(2.093 * 5.130 / 20**0.5, abs=0.01)
    hundred = averages([("a1", scored(80.0 + 10 * (n % 2))) for n in range(100)])[0]
    assert hundred.margin == pytest.approx(1.9842 * 5.0252 / 100**0.5, abs=0.001)
    assert averages([]) == []


def test_people_agree_as_far_as_their_answers_are_the_same() -> None:
    other = [replace(one, option_id="whole") if one.question_id == "answer" else one for one in GOOD]
    assert agreement([]) is None
    found = agreement([((80.0, GOOD), (100.0, other)), ((80.0, GOOD), (80.0, GOOD))])
    assert found == Agreement(pairs=2, same=9 / 10, difference=10.0)
