from __future__ import annotations

import pytest

from asr import guards
from asr.agreement import LocalAgreement, common_prefix

SETTINGS = guards.GuardSettings()


def judge(
    text: str, seconds: float = 3.0, log_probability: float = -0.2, no_speech: float = 0.01
) -> str | None:
    return guards.rejection(
        text, seconds=seconds, log_probability=log_probability, no_speech=no_speech, settings=SETTINGS
    )


@pytest.mark.parametrize(
    "text", ["字幕由Amara.org社區提供", "多謝收看", "請不吝點贊訂閱", "Thanks for watching!"]
)
def test_boilerplate_is_rejected(text: str) -> None:
    assert judge(text) == "boilerplate"


@pytest.mark.parametrize("text", ["唔該晒", "係係係係", "多謝你", "我想訂閱個月費計劃", "拜拜拜拜", ""])
def test_what_people_say_passes(text: str) -> None:
    assert judge(text) is None


def test_other_guards() -> None:
    assert judge("我想查詢", log_probability=-2.0) == "log_probability"
    assert judge("我想查詢", no_speech=0.9, log_probability=-0.9) == "no_speech"
    assert judge("唔可以" * 20) == "repetition"
    assert judge("我想查詢下我張單點解咁貴", seconds=0.3) == "too_fast"
    assert judge("我想 upgrade做 Smart Lock，有冇 discount", seconds=2.05) is None, "letters are no syllables"
    assert guards.token_cap(3.0) >= 3 * 8


def test_agreement_follows_the_shared_prefix() -> None:
    assert common_prefix("我想查", "我想問") == 2
    agreement = LocalAgreement()
    assert agreement.update("我想") == 0.0
    assert agreement.update("我想查詢") == 0.5
    assert agreement.update("我想查詢") == 1.0
    assert agreement.update("") == 0.0
