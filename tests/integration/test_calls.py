from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.fakes.engines import FakeEngine
from tests.integration.helpers import (
    audio,
    chunks,
    control,
    demo_bytes,
    end,
    events,
    finals,
    refused,
    rest,
    running,
    settings,
    silence,
    start,
    still_works,
    take,
    talk,
)
from yuetone.v1 import audio_pb2, transcript_pb2
from yuetone.v1 import call_service_pb2 as pb

pytestmark = pytest.mark.integration


async def test_a_stereo_call_from_start_to_end() -> None:
    async with running() as run:
        messages = await talk(run, [start(), *chunks(demo_bytes(24)), end()])
    numbered = [message.server_seq for message in messages if not message.HasField("heartbeat")]
    assert numbered[0] == 1
    assert numbered == sorted(set(numbered)), "a number is left out where something newer made it void"
    assert messages[0].started.model == "tiny"
    assert messages[0].started.limits.max_chunk_bytes == 1_048_576
    said = finals(messages)
    assert {final.role for final in said} == {audio_pb2.ROLE_CUSTOMER, audio_pb2.ROLE_AGENT}
    for final in said:
        assert final.text
        assert final.stability == 1.0
        assert 0 <= final.start_ms < final.end_ms
        assert [word.start_ms for word in final.words] == sorted(word.start_ms for word in final.words)
        assert final.start_ms <= final.words[0].start_ms
        assert final.language_spans[0].language == "yue"
    ended = messages[-1].ended
    assert ended.audio_ms == pytest.approx(24_000, abs=20)
    assert ended.utterances == len(said)
    assert 10_000 < ended.speech_ms < 24_000
    edges = events(messages, "speech")
    begun = [edge.utterance_id for edge in edges if edge.edge == transcript_pb2.SpeechEvent.EDGE_BEGIN]
    done = [edge.utterance_id for edge in edges if edge.edge == transcript_pb2.SpeechEvent.EDGE_END]
    assert sorted(begun) == sorted(done)


async def test_revisions_rise_and_end_with_the_final() -> None:
    async with running() as run:
        call = run.stub.StreamCall()
        await call.write(start())
        messages = []

        async def read() -> None:
            messages.extend([message async for message in call])

        reader = asyncio.create_task(read(), name="read")
        for request in chunks(demo_bytes(8)):
            await call.write(request)
            await asyncio.sleep(0.004)
        await call.write(end())
        await call.done_writing()
        await reader
    by_id: dict[str, list[transcript_pb2.Transcript]] = {}
    for transcript in events(messages, "transcript"):
        by_id.setdefault(transcript.utterance_id, []).append(transcript)
    assert any(len(revisions) > 2 for revisions in by_id.values()), "no partials came"
    for revisions in by_id.values():
        numbers = [transcript.revision for transcript in revisions]
        assert numbers == sorted(set(numbers))
        assert [transcript.is_final for transcript in revisions] == [False] * (len(revisions) - 1) + [True]


@pytest.mark.parametrize("chunk_frames", [7, 80, 160, 5000, 64_000])
async def test_any_chunk_size_gives_the_same_finals(chunk_frames: int) -> None:
    data = demo_bytes(8)
    pieces = [data[i : i + 2 * chunk_frames] for i in range(0, len(data), 2 * chunk_frames)]
    async with running() as run:
        expected = await talk(run, [start("whole"), *chunks(data), end()])
        messages = await talk(run, [start(), *(audio(i, piece) for i, piece in enumerate(pieces)), end()])
    assert [(f.start_ms, f.end_ms, f.text) for f in finals(messages)] == [
        (f.start_ms, f.end_ms, f.text) for f in finals(expected)
    ]


async def test_one_channel_per_message() -> None:
    data = demo_bytes(8)
    requests = []
    for sequence, first in enumerate(range(0, len(data), 960)):
        piece = data[first : first + 960]
        requests += [audio(sequence, piece[channel::2], channel=channel) for channel in (0, 1)]
    async with running() as run:
        expected = await talk(run, [start("interleaved"), *chunks(data), end()])
        messages = await talk(run, [start(), *requests, end()])
    assert sorted((f.channel, f.text) for f in finals(messages)) == sorted(
        (f.channel, f.text) for f in finals(expected)
    )


async def test_silence_for_minutes_is_no_text() -> None:
    async with running() as run:
        messages = await talk(run, [start(), *chunks(silence(180)), end()])
        assert not events(messages, "transcript")
        assert messages[-1].ended.audio_ms == pytest.approx(180_000, abs=20)
        await still_works(run)


async def test_lost_messages_are_a_gap_on_the_time_line() -> None:
    data = list(chunks(demo_bytes(6)))
    async with running() as run:
        messages = await talk(run, [start(), *data[:40], *data[60:], end()])
    (mark,) = events(messages, "mark")
    assert mark.kind == pb.TimelineMark.KIND_GAP
    assert mark.duration_ms == pytest.approx(20 * 60, abs=2)
    assert events(messages, "warning")[0].code == "LOST_AUDIO"
    assert messages[-1].ended.audio_ms == pytest.approx(6000, abs=20)
    assert messages[-1].ended.gap_ms == pytest.approx(1200, abs=2)


async def test_swapped_audio_is_heard_as_it_was_sent() -> None:
    straight = list(chunks(demo_bytes(8)))
    swapped = list(straight)
    for index in range(0, len(swapped) - 1, 10):
        swapped[index], swapped[index + 1] = swapped[index + 1], swapped[index]
    async with running() as run:
        first = await talk(run, [start("straight"), *straight, end()])
        second = await talk(run, [start("swapped"), *swapped, end()])
    assert not events(second, "warning")
    assert [(f.start_ms, f.text) for f in finals(second)] == [(f.start_ms, f.text) for f in finals(first)]


async def test_out_of_order_audio_is_left_out_with_a_warning() -> None:
    data = list(chunks(demo_bytes(3)))
    data.insert(25, data.pop(10))  # later than anybody waits for it
    async with running() as run:
        messages = await talk(run, [start(), *data, end()])
    assert {warning.code for warning in events(messages, "warning")} == {"LOST_AUDIO", "LATE_AUDIO"}
    assert messages[-1].ended.reason == "client"


async def test_hold_and_keys_stay_on_the_time_line() -> None:
    speech = demo_bytes(5)
    size = len(speech) // 960 + 1
    hold = control(pause=audio_pb2.Pause(reason=audio_pb2.PAUSE_REASON_HOLD))
    async with running() as run:
        messages = await talk(
            run,
            [
                start(),
                hold,
                *chunks(speech),  # heard by nobody
                control(resume=audio_pb2.Resume()),
                control(dtmf=audio_pb2.Dtmf(digit="5")),
                *chunks(speech, first=size),
                end(),
            ],
        )
    marks = [(mark.kind, mark.at_ms) for mark in events(messages, "mark")]
    kinds = pb.TimelineMark
    assert marks == [(kinds.KIND_PAUSE, 0), (kinds.KIND_RESUME, 5000), (kinds.KIND_DTMF, 5000)]
    assert min(final.start_ms for final in finals(messages)) > 5000
    assert messages[-1].ended.audio_ms == pytest.approx(10_000, abs=20)


async def test_a_hold_without_audio_is_made_up_by_the_offset() -> None:
    async with running() as run:
        messages = await talk(
            run,
            [start(), *chunks(demo_bytes(2)), audio(100, silence(1), offset_ms=602_000), end()],
        )
    assert messages[-1].ended.audio_ms == pytest.approx(603_000, abs=20)


async def test_finalize_closes_the_utterance_now() -> None:
    data = list(chunks(demo_bytes(3)))  # the agent speaks from 0.6 s on
    async with running() as run:
        call = run.stub.StreamCall()
        await call.write(start())
        for request in data:
            await call.write(request)
        await call.write(control(finalize=audio_pb2.Finalize(channel=1)))
        async with asyncio.timeout(10):
            while not (message := await take(call)).transcript.is_final:
                pass
        assert message.transcript.from_finalize
        assert message.transcript.channel == 1
        await call.write(end())
        await call.done_writing()
        remaining = await rest(call)
    assert remaining[-1].ended.reason == "client"


async def test_roles_can_be_swapped_and_health_asked_for() -> None:
    async with running() as run:
        messages = await talk(
            run,
            [
                start(),
                control(update_config=audio_pb2.UpdateConfig(swap_roles=True)),
                control(ping=audio_pb2.Ping()),
                *chunks(demo_bytes(5)),
                end(),
            ],
        )
    assert all(final.role == audio_pb2.ROLE_CUSTOMER for final in finals(messages) if final.channel == 1)
    assert events(messages, "health")


async def test_ten_calls_at_once() -> None:
    async with running(engine=FakeEngine(seconds=0.002)) as run:
        both = await asyncio.gather(
            *(talk(run, [start(f"call-{index}"), *chunks(demo_bytes(8)), end()]) for index in range(10))
        )
    texts = [[(f.channel, f.start_ms, f.text) for f in finals(messages)] for messages in both]
    assert all(sorted(text) == sorted(texts[0]) for text in texts)
    assert texts[0]


async def test_calls_are_taken_while_the_model_warms() -> None:
    engine = FakeEngine()
    engine.gate.clear()
    async with running(engine=engine) as run:
        call = run.stub.StreamCall()
        await call.write(start())
        async with asyncio.timeout(2):
            assert (await take(call)).HasField("started")
        for request in chunks(demo_bytes(5)):
            await call.write(request)
        await call.write(end())
        await call.done_writing()
        engine.gate.set()
        messages = await rest(call)
    assert finals(messages)


async def test_health_and_reflection_answer_while_calls_are_full() -> None:
    chosen = settings(limits={"max_calls": 1}, server={"reflection": True})
    async with running(chosen) as run:
        call = run.stub.StreamCall()
        await call.write(start())
        await take(call)
        health = health_pb2_grpc.HealthStub(run.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service="yuetone.v1.CallService"))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await talk(run, [start("second")])
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        reflect = reflection_pb2_grpc.ServerReflectionStub(run.channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [a async for a in reflect.ServerReflectionInfo(iter([request]))]
        names = {service.name for service in answers[0].list_services_response.service}
        assert "yuetone.v1.CallService" in names
        capabilities = await run.stub.GetCapabilities(pb.GetCapabilitiesRequest())
        assert capabilities.live_calls == 1
        assert "resume" in capabilities.features
        await call.write(end())
        await call.done_writing()
        await rest(call)


async def test_an_agent_watches_the_call() -> None:
    async with running() as run:
        call = run.stub.StreamCall()
        await call.write(start())
        await take(call)
        watch = run.stub.WatchCall(pb.WatchCallRequest(call_id="call-1"))
        wordless = run.stub.WatchCall(pb.WatchCallRequest(call_id="call-1", without_words=True))
        for request in chunks(demo_bytes(8)):
            await call.write(request)
        await call.write(end())
        await call.done_writing()
        own = await rest(call)
        seen = [response.event async for response in watch]
        assert [m.transcript for m in seen if m.transcript.is_final] == finals(own)
        assert seen[0].HasField("started")
        kinds = {response.event.WhichOneof("event") async for response in wordless}
        assert "speech" in kinds
        assert not kinds & {"transcript", "redaction", "suggestion"}
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            async for _response in run.stub.WatchCall(pb.WatchCallRequest(call_id="nobody")):
                pass
        assert missing.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_call_that_would_make_all_finals_late_is_refused_and_those_in_progress_go_on() -> None:
    chosen = settings(limits={"max_final_wait_ms": 100})
    async with running(chosen, FakeEngine(seconds=0.15)) as run:
        calls = [run.stub.StreamCall() for _ in range(4)]
        for number, call in enumerate(calls):
            await call.write(start(f"call-{number}"))
            for message in chunks(demo_bytes(40)):
                await call.write(message)
        for call in calls:
            seen = 0
            while seen < 4:
                answer = await take(call)
                seen += answer.HasField("transcript") and answer.transcript.is_final
        status, text, kinds = await refused(run, [start("one-too-many")])
        assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "limits.max_final_wait_ms" in text
        assert kinds == ["error"]
        for call in calls:
            await call.write(end())
            await call.done_writing()
            assert (await rest(call))[-1].HasField("ended")


async def test_one_machine_may_be_given_a_part_of_all_calls() -> None:
    async with running(settings(limits={"max_calls_per_host": 1})) as run:
        first = run.stub.StreamCall()
        await first.write(start("first"))
        await take(first)
        code, details, _kinds = await refused(run, [start("second"), end()])
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "limits.max_calls_per_host" in details
        await first.write(end())
        await first.done_writing()
        await rest(first)
        assert (await talk(run, [start("third"), end()]))[-1].ended.reason == "client"
