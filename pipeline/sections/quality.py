"""How calls are judged by people: settings."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pipeline.sections.base import Section

ID = r"^[a-z][a-z0-9-]{0,31}$"
Texts = dict[str, str]
"""By language: ``zh-Hant``, ``en``."""


class OptionSettings(Section):
    """An answer that can be chosen."""

    id: str = Field(pattern=ID)
    texts: Texts = Field(min_length=1, description="by language: zh-Hant, en")
    score: float = Field(ge=0, le=1, description="share of the question's weight")
    fails: bool = Field(False, description="true fails the whole call, whatever else was good")


class QuestionSettings(Section):
    """A question about a call."""

    id: str = Field(pattern=ID)
    texts: Texts = Field(min_length=1, description="by language: zh-Hant, en")
    weight: float = Field(1.0, gt=0, le=100)
    options: tuple[OptionSettings, ...] = Field(min_length=2, max_length=10, description="the best first")
    may_be_skipped: bool = Field(False, description="true lets it be left out where it does not apply")
    said: tuple[str, ...] = Field(
        (), description="words of agents that propose the first option where one was said, else the last"
    )
    within_s: float | None = Field(None, gt=0, description="they count up to here, s; anywhere when not set")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({option.id for option in self.options}) != len(self.options):
            raise ValueError(f"question {self.id}: two options have the same id")
        return self


class FormSettings(Section):
    """A form."""

    texts: Texts = Field(min_length=1, description="its name, by language")
    questions: tuple[QuestionSettings, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({question.id for question in self.questions}) != len(self.questions):
            raise ValueError("two questions of a form have the same id")
        return self


def _yes_or_no(*, fails: bool = False) -> tuple[OptionSettings, ...]:
    return (
        OptionSettings(id="yes", texts={"zh-Hant": "有", "en": "Yes"}, score=1.0),
        OptionSettings(id="no", texts={"zh-Hant": "沒有", "en": "No"}, score=0.0, fails=fails),
    )


def _service_form() -> FormSettings:
    """Return a short form for any service line; write your own under ``quality.forms``."""
    return FormSettings(
        texts={"zh-Hant": "客戶服務", "en": "Service"},
        questions=(
            QuestionSettings(
                id="greeting",
                texts={"zh-Hant": "開場有打招呼", "en": "Greeted the customer at the beginning"},
                options=_yes_or_no(),
                said=(
                    "早晨",
                    "你好",
                    "午安",
                    "歡迎",
                    "多謝你致電",
                    "hello",
                    "good morning",
                    "good afternoon",
                ),
                within_s=20.0,
            ),
            QuestionSettings(
                id="identity",
                texts={
                    "zh-Hant": "談及戶口前已核實身份",
                    "en": "Checked who it was before speaking of it",
                },
                weight=2.0,
                options=_yes_or_no(fails=True),
                may_be_skipped=True,
            ),
            QuestionSettings(
                id="empathy",
                texts={"zh-Hant": "有回應客戶的情緒", "en": "Answered to how the customer felt"},
                options=_yes_or_no(),
                may_be_skipped=True,
                said=("唔好意思", "對唔住", "抱歉", "明白你", "sorry", "understand"),
            ),
            QuestionSettings(
                id="answer",
                texts={"zh-Hant": "答案正確而完整", "en": "The answer was right and complete"},
                weight=3.0,
                options=(
                    OptionSettings(id="whole", texts={"zh-Hant": "完整", "en": "Complete"}, score=1.0),
                    OptionSettings(id="part", texts={"zh-Hant": "部分", "en": "In part"}, score=0.5),
                    OptionSettings(id="wrong", texts={"zh-Hant": "錯誤", "en": "Wrong"}, score=0.0),
                ),
            ),
            QuestionSettings(
                id="next-step",
                texts={"zh-Hant": "說明了下一步", "en": "Said what happens next"},
                options=_yes_or_no(),
                may_be_skipped=True,
            ),
        ),
    )


class QualitySettings(Section):
    """Calls that people listen to and judge; needs the record."""

    forms: dict[str, FormSettings] = Field(
        default_factory=lambda: {"service": _service_form()}, description="by id; a short one is built in"
    )
    answer_days: float = Field(
        5.0, gt=0, le=90, description="days in which agents accept what was judged, or appeal"
    )
