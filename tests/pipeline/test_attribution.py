from __future__ import annotations

import pytest

from asr import Word
from diarization import ChannelRoles, Role, SpeakerTurn
from diarization.evidence import RoleEvidence, read_phrases
from pipeline.calls.events import AttributionEvent, ChannelFinding, SpeakersEvent, TranscriptEvent
from pipeline.stages.attribution import SpeakerAttribution

SAID = (
    (1, "喂喂"),
    (0, "你好，多謝致電，我姓陳，請問有咩可以幫到你？"),
    (1, "我想問下點解張單貴咗咁多？"),
    (0, "麻煩你講返登記嘅電話號碼俾我核對。"),
    (1, "我要投訴，你哋收多咗我錢。"),
    (0, "多謝你，等我睇一睇你嘅紀錄先。"),
)


def final(number: int, channel: int, role: Role, text: str) -> TranscriptEvent:
    start = number * 80_000
    return TranscriptEvent(
        utterance_id=f"{channel}-{number}",
        revision=1,
        channel=channel,
        role=role,
        final=True,
        start=start,
        end=start + 64_000,
        stability=1.0,
        text=text,
        raw_text=text,
        words=tuple(
            Word(text=char, start=start + i * 2000, end=start + (i + 1) * 2000, confidence=0.9)
            for i, char in enumerate(text)
        ),
        speaker="agent" if role is Role.AGENT else "customer",
    )


def book(*roles: Role, voices: bool) -> SpeakerAttribution:
    return SpeakerAttribution(
        ChannelRoles(roles), RoleEvidence(read_phrases()), correct_swap=True, voices=voices
    )


@pytest.mark.parametrize("voices", [True, False])
def test_channels_the_wrong_way_round_are_put_right_for_what_was_said_before_too(*, voices: bool) -> None:
    told = book(Role.CUSTOMER, Role.AGENT, voices=voices)
    roles = {0: Role.CUSTOMER, 1: Role.AGENT}
    events: list[SpeakersEvent] = []
    for number, (channel, text) in enumerate(SAID):
        events += told.said(final(number, channel, roles[channel], text))
        if any(isinstance(event, ChannelFinding) for event in events):
            break
    attributions = [event for event in events if isinstance(event, AttributionEvent)]
    later = {event.utterance_id: event.role for event in attributions}
    assert number >= 1, "the channels were swapped before anything was said"
    assert later["1-0"] is Role.CUSTOMER
    assert all(role is (Role.AGENT if key.startswith("0-") else Role.CUSTOMER) for key, role in later.items())
    for event in attributions:
        assert len(event.word_speakers) == len(SAID[int(event.utterance_id[2:])][1]), "a label for each word"


def test_words_are_kept_only_where_voices_may_be_told_apart_later() -> None:
    told = book(Role.CUSTOMER, Role.AGENT, voices=False)
    told.said(final(0, 0, Role.CUSTOMER, SAID[2][1]))
    (kept,) = told._utterances.values()
    assert kept.id == "0-0"
    assert kept.said is None


def test_words_go_to_the_voices_that_a_second_look_finds() -> None:
    told = book(Role.UNKNOWN, voices=True)
    told.said(final(0, 0, Role.UNKNOWN, "你好多謝"))
    turns = [
        SpeakerTurn(speaker="x", start=0, end=4000, overlapped=False, sure=True),
        SpeakerTurn(speaker="y", start=4000, end=64_000, overlapped=False, sure=True),
    ]
    events, changed = told.review(turns)
    (event,) = [event for event in events if isinstance(event, AttributionEvent)]
    assert changed == 1
    assert len(set(event.word_speakers)) == 2
    assert len(event.word_speakers) == 4
