"""Who speaks, over a real server: one channel, two channels, and what is odd about them."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from pipeline.config import Settings
from tests.audio import demo_call, demo_turns
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import (
    Running,
    audio,
    chunks,
    control,
    end,
    events,
    finals,
    running,
    settings,
    start,
    talk,
)
from yuetone.v1 import audio_pb2, speakers_pb2
from yuetone.v1 import call_service_pb2 as pb

pytestmark = [pytest.mark.integration, pytest.mark.model]
Finding = speakers_pb2.ChannelFinding
AGENT, CUSTOMER = audio_pb2.ROLE_AGENT, audio_pb2.ROLE_CUSTOMER
UNKNOWN = audio_pb2.ROLE_UNSPECIFIED


def coded(samples: np.ndarray) -> bytes:
    """Return float samples at 8 kHz, shape (n,) or (n, channels), as interleaved µ-law."""
    buffer = io.BytesIO()
    sf.write(buffer, samples, 8000, subtype="ULAW", format="RAW")
    return buffer.getvalue()


def demo(seconds: float | None = None) -> np.ndarray:
    samples, rate = demo_call()
    return samples if seconds is None else samples[: int(seconds * rate)]


def mono_start(call_id: str = "mono", role: audio_pb2.Role.ValueType = UNKNOWN) -> pb.StreamCallRequest:
    return start(call_id, channels=[audio_pb2.ChannelConfig(index=0, role=role)])


async def said(run: Running, samples: np.ndarray, first: pb.StreamCallRequest) -> list[pb.StreamCallResponse]:
    """Send a whole call and return everything."""
    width = 1 if samples.ndim == 1 else samples.shape[1]
    return await talk(run, [first, *chunks(coded(samples), frame_bytes=width), end()])


def answers(messages: list[pb.StreamCallResponse]) -> dict[str, tuple[int, str, list[str]]]:
    """Return role, speaker and the speakers of words that each utterance has in the end."""
    found = {
        final.utterance_id: (final.role, final.speaker, [word.speaker for word in final.words])
        for final in finals(messages)
    }
    for told in events(messages, "attribution"):
        found[told.utterance_id] = (told.role, told.speaker, list(told.word_speakers))
    return found


def word_roles(messages: list[pb.StreamCallResponse]) -> list[tuple[int, int]]:
    """Return role and middle of every word, as told in the end."""
    roles = {speaker.speaker: speaker.role for speaker in events(messages, "speaker")}
    told = answers(messages)
    return [
        (roles.get(voice, told[final.utterance_id][0]), (word.start_ms + word.end_ms) // 2)
        for final in finals(messages)
        for word, voice in zip(
            final.words, told[final.utterance_id][2] or [""] * len(final.words), strict=True
        )
    ]


def right_share(messages: list[pb.StreamCallResponse]) -> float:
    """Return the share of words that have the role of whoever speaks then."""
    names = {"agent": AGENT, "customer": CUSTOMER}
    checked = [
        role == names[str(turn["role"])]
        for role, at in word_roles(messages)
        for turn in demo_turns()
        if int(str(turn["start_ms"])) <= at <= int(str(turn["end_ms"]))
    ]
    assert len(checked) > 100
    return sum(checked) / len(checked)


async def test_a_call_on_one_channel_has_speakers_and_roles() -> None:
    async with running(real=True) as run:
        messages = await said(run, demo().mean(axis=1), mono_start())
    assert right_share(messages) > 0.8
    speakers = events(messages, "speaker")
    assert {speaker.speaker for speaker in speakers} == {"A1", "A2"}
    last = {speaker.speaker: speaker for speaker in speakers}
    assert {speaker.role for speaker in last.values()} == {AGENT, CUSTOMER}
    assert not any(speaker.additional for speaker in last.values())
    by_utterance: dict[str, list[int]] = {}
    for told in events(messages, "attribution"):
        by_utterance.setdefault(told.utterance_id, []).append(told.revision)
        assert told.turns
        assert told.source == speakers_pb2.Attribution.SOURCE_LIVE
    assert all(revisions == list(range(1, len(revisions) + 1)) for revisions in by_utterance.values())


async def test_two_channels_keep_their_roles_and_say_nothing_more() -> None:
    async with running(real=True) as run:
        messages = await said(run, demo(), start())
    assert right_share(messages) == 1.0
    assert not events(messages, "channel_finding")
    assert not events(messages, "attribution")
    assert {final.speaker for final in finals(messages)} == {"A1", "B1"}


@pytest.mark.parametrize("policy", ["correct", "warn", "off"])
async def test_swapped_channels_are_found_within_three_turns(policy: str) -> None:
    chosen = settings(profiles={"default": {"diarization": {"swapped_channels": policy}}})
    async with running(chosen, real=True) as run:
        messages = await said(run, demo(20)[:, ::-1], start())
    found = events(messages, "channel_finding")
    assert [finding.kind for finding in found] == ([] if policy == "off" else [Finding.KIND_SWAPPED])
    assert [finding.corrected for finding in found] == ([] if policy == "off" else [policy == "correct"])
    assert right_share_or_zero(messages) == (1.0 if policy == "correct" else 0.0)


def right_share_or_zero(messages: list[pb.StreamCallResponse]) -> float:
    names = {"agent": AGENT, "customer": CUSTOMER}
    told = answers(messages)
    checked = [
        told[final.utterance_id][0] == names[str(turn["role"])]
        for final in finals(messages)
        for turn in demo_turns()
        if abs(int(str(turn["start_ms"])) - final.start_ms) < 600
    ]
    assert len(checked) >= 4
    return sum(checked) / len(checked)


async def test_a_client_that_swaps_roles_itself_is_believed() -> None:
    async with running(real=True) as run:
        update = control(update_config=audio_pb2.UpdateConfig(swap_roles=True))
        requests = [start(), update, *chunks(coded(demo(20))), end()]
        messages = await talk(run, requests)
    assert not events(messages, "channel_finding")
    assert right_share_or_zero(messages) == 0.0


async def test_echo_is_not_written_twice() -> None:
    samples, delay = demo(60).copy(), 8000 * 250 // 1000
    samples[delay:] += 0.1 * demo(60)[:-delay, ::-1]
    async with running() as run:
        clean = finals(await said(run, demo(60), start("clean")))
        messages = await said(run, samples, start("echo"))
    found = {finding.channel: finding for finding in events(messages, "channel_finding")}
    assert set(found) == {0, 1}
    assert all(finding.kind == Finding.KIND_ECHO and finding.corrected for finding in found.values())
    assert all(abs(finding.delay_ms - 250) < 3 for finding in found.values())
    echoed = [final for final in finals(messages) if final.text]
    assert len(echoed) == len(clean)
    assert [final.channel for final in echoed] == [final.channel for final in clean]


async def test_identical_channels_are_heard_once() -> None:
    mono = demo(40).mean(axis=1)
    async with running(real=True) as run:
        messages = await said(run, np.stack([mono, mono], axis=1), start())
    found = events(messages, "channel_finding")
    assert [finding.kind for finding in found] == [Finding.KIND_IDENTICAL]
    later = [final for final in finals(messages) if final.text and final.start_ms > 5000]
    assert {final.channel for final in later} == {0}
    assert right_share(messages) > 0.7


@pytest.mark.parametrize("role", [AGENT, CUSTOMER])
async def test_one_channel_of_one_party_keeps_its_role(role: audio_pb2.Role.ValueType) -> None:
    async with running() as run:
        messages = await said(run, demo(20)[:, 1], mono_start(role=role))
    assert {final.role for final in finals(messages)} == {role}
    assert {final.speaker for final in finals(messages)} == {"A1"}


async def test_without_diarization_calls_go_on_as_before() -> None:
    async with running(settings(diarization={"enabled": False})) as run:
        messages = await said(run, demo(20).mean(axis=1), mono_start())
        capabilities = await run.stub.GetCapabilities(pb.GetCapabilitiesRequest())
    assert finals(messages)
    assert not events(messages, "attribution")
    assert "diarization" not in capabilities.features


async def test_a_model_that_fails_leaves_the_transcript(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("diarization.tracker.SpeakerTracker.utterance", fail)
    async with running() as run:
        messages = await said(run, demo(30).mean(axis=1), mono_start())
    assert len(finals(messages)) >= 3
    assert "DIARIZATION_FAILED" in {warning.code for warning in events(messages, "warning")}
    assert messages[-1].ended.reason == "client"


async def test_channels_of_different_length_are_no_problem() -> None:
    samples = demo(20).copy()
    samples[8000 * 8 :, 0] = 0
    first, second = coded(demo(20)[:, 1]), coded(demo(8)[:, 0])
    requests = [start()]
    for sequence, at in enumerate(range(0, len(first), 480)):
        requests.append(audio(sequence, first[at : at + 480], channel=1))
        if at < len(second):
            requests.append(audio(sequence, second[at : at + 480], channel=0))
    async with running() as run:
        messages = await talk(run, [*requests, end()])
    assert messages[-1].ended.reason == "client"
    assert {final.channel for final in finals(messages)} == {0, 1}


# ------------------------------------------------------------------ the second look


def looking(tmp_path: Path, **more: Any) -> Settings:
    return settings(diarization={"second_look": {"enabled": True, "spool": str(tmp_path), **more}})


async def watched(run: Running, samples: np.ndarray) -> list[pb.StreamCallResponse]:
    """Send a call on one channel; return what a watcher sees until there is no more."""
    call = run.stub.StreamCall()
    await call.write(mono_start())
    assert isinstance(await call.read(), pb.StreamCallResponse)
    watcher = run.stub.WatchCall(pb.WatchCallRequest(call_id="mono", after_server_seq=0))
    collected = asyncio.create_task(_collect(watcher), name="watcher")
    for request in chunks(coded(samples), frame_bytes=1):
        await call.write(request)
    await call.write(end())
    last = None
    while isinstance(message := await call.read(), pb.StreamCallResponse):
        last = message
    assert last is not None
    assert last.HasField("ended")
    return await collected


async def _collect(watcher: Any) -> list[pb.StreamCallResponse]:
    return [message.event async for message in watcher]


async def test_a_finished_call_is_looked_at_again(tmp_path: Path) -> None:
    pytest.importorskip("pyannote.audio")
    async with running(looking(tmp_path), real=True) as run:
        messages = await watched(run, demo(60).mean(axis=1))
        assert not list(tmp_path.iterdir())
    ended = [message.ended for message in messages if message.HasField("ended")]
    assert ended[0].second_look
    looks = events(messages, "second_look")
    assert [look.state for look in looks] == [
        speakers_pb2.SecondLook.STATE_WAITING,
        speakers_pb2.SecondLook.STATE_DONE,
    ]
    second = [
        told
        for told in events(messages, "attribution")
        if told.source == speakers_pb2.Attribution.SOURCE_SECOND_LOOK
    ]
    assert len(second) == looks[-1].changed_utterances
    assert not any(told.provisional for told in second)
    assert right_share(messages) > 0.8


async def test_a_second_look_that_fails_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    async with running(looking(tmp_path, pipeline="/nowhere"), FakeEngine()) as run:
        messages = await watched(run, demo(15).mean(axis=1))
        assert not list(tmp_path.iterdir())
    look = events(messages, "second_look")[-1]
    assert look.state == speakers_pb2.SecondLook.STATE_FAILED
    assert look.reason


async def test_an_error_of_ours_in_a_second_look_harms_no_other_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_arguments: Any) -> None:
        raise KeyError

    monkeypatch.setattr("pipeline.inference.second_look.SecondLookWorker.review", fail)
    async with running(looking(tmp_path)) as run:
        messages = await watched(run, demo(10).mean(axis=1))
        assert not list(tmp_path.iterdir())
        assert events(messages, "second_look")[-1].state == speakers_pb2.SecondLook.STATE_FAILED
        assert finals(await said(run, demo(10), start("next")))


async def test_a_server_that_stops_deletes_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(*_arguments: Any) -> None:
        await asyncio.sleep(600)

    monkeypatch.setattr("pipeline.inference.second_look.SecondLookWorker.review", wait)
    async with running(looking(tmp_path)) as run:
        await said(run, demo(10).mean(axis=1), mono_start())
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


async def test_an_announcement_on_both_channels_silences_neither_for_good() -> None:
    spoken = demo(12).sum(axis=1)
    samples = np.concatenate([np.stack([spoken, spoken], axis=1), demo(60)[8000 * 12 :]])
    async with running() as run:
        messages = await said(run, samples, start())
    assert [f.kind for f in events(messages, "channel_finding")][:1] == [Finding.KIND_IDENTICAL]
    later = {final.channel for final in finals(messages) if final.start_ms > 30_000}
    roles = {final.channel: final.role for final in finals(messages) if final.start_ms > 40_000}
    assert later == {0, 1}
    assert roles == {0: CUSTOMER, 1: AGENT}


async def test_calls_on_two_channels_are_not_kept(tmp_path: Path) -> None:
    async with running(looking(tmp_path)) as run:
        messages = await said(run, demo(10), start())
        assert not list(tmp_path.iterdir())
    assert not messages[-1].ended.second_look
