"""Emotion and alerts over real gRPC: in the call's own stream, for supervisors, and across a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from emotion import EmotionModelError
from emotion.engine import OnnxEmotionStream
from pipeline.alerts.service import AlertService, Saved
from pipeline.errors import SettingsError
from tests.alerts.receiver import receiving
from tests.emotion.test_engine import ENCODER, declare, graph
from tests.fakes.engines import SayingEngine
from tests.integration.helpers import (
    Running,
    chunks,
    control,
    demo_bytes,
    end,
    reloaded,
    rest,
    running,
    settings,
    silence,
    start,
    take,
    talk,
)
from yuetone.v1 import assist_pb2, audio_pb2, supervisor_service_pb2_grpc
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import supervisor_service_pb2 as sup

pytestmark = pytest.mark.integration
ANGRY = "我要去消委會投訴你哋，太離譜喇"


def supervisor(run: Running) -> supervisor_service_pb2_grpc.SupervisorServiceAsyncStub:
    return supervisor_service_pb2_grpc.SupervisorServiceStub(run.channel)  # type: ignore[return-value]


def alerts(messages: list[pb.StreamCallResponse]) -> list[assist_pb2.Alert]:
    return [message.alert for message in messages if message.HasField("alert")]


def angry_call(call_id: str = "call-1", **fields: Any) -> list[pb.StreamCallRequest]:
    return [start(call_id, **fields), *chunks(demo_bytes(16)), end()]


async def some(stream: Any, count: int) -> list[sup.WatchAlertsResponse]:
    """Read so many alerts; heartbeats between them are none."""
    found: list[sup.WatchAlertsResponse] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            message = await stream.read()
            found += [message] if message.HasField("alert") else []
    return found


@pytest.fixture
async def run() -> AsyncIterator[Running]:
    async with running(engine=SayingEngine(ANGRY)) as server:
        yield server


async def test_a_call_tells_how_it_is_said(run: Running) -> None:
    messages = await talk(run, [start(), *chunks(demo_bytes(20)), end()])
    found = [message.emotion for message in messages if message.HasField("emotion")]
    judged = [emotion for emotion in found if emotion.quality > 0]
    assert {emotion.channel for emotion in judged} == {0, 1}
    for emotion in judged:
        assert sum(emotion.probabilities.values()) == pytest.approx(1.0, abs=1e-3)
        assert 0 < emotion.end_ms - emotion.start_ms <= 20_000
        assert emotion.HasField("agitation") == (emotion.channel == 0)
    finals = {
        m.transcript.utterance_id for m in messages if m.HasField("transcript") and m.transcript.is_final
    }
    assert {emotion.utterance_id for emotion in judged} <= finals
    rising = [emotion for emotion in found if emotion.agitation > 0.5]
    assert rising
    shares = rising[-1].shares
    assert shares.voice + shares.words + shares.behaviour == pytest.approx(1.0, abs=1e-3)
    assert rising[-1].supported


async def test_words_of_complaint_raise_alerts_without_the_words_of_the_call(run: Running) -> None:
    found = alerts(await talk(run, angry_call()))
    rules = {alert.rule: alert for alert in found}
    assert {"complaint-to-authority", "customer-agitated"} <= set(rules)
    agitated = rules["customer-agitated"]
    assert agitated.agitation > 0.4
    assert len(agitated.curve) >= 2
    assert agitated.start_ms <= agitated.end_ms
    assert "我要去" not in agitated.evidence


async def test_supervisors_see_alerts_of_all_calls_and_go_on_where_they_were(run: Running) -> None:
    stub = supervisor(run)
    live = stub.WatchAlerts(sup.WatchAlertsRequest(min_severity=assist_pb2.Alert.SEVERITY_CRITICAL))
    await asyncio.sleep(0.2)
    await talk(run, angry_call("a", tenant="acme", queue="billing", agent_id="a7"))
    (first,) = await some(live, 1)
    assert (first.call_id, first.tenant, first.queue, first.agent_id) == ("a", "acme", "billing", "a7")
    assert first.alert.state == assist_pb2.Alert.STATE_RAISED
    assert abs(first.at_unix_ms - time.time() * 1000) < 20_000
    live.cancel()
    await talk(run, angry_call("b", queue="sales"))
    again = stub.WatchAlerts(sup.WatchAlertsRequest(cursor=first.cursor))
    while (await some(again, 1))[0].call_id != "b":
        pass
    again.cancel()
    filtered = stub.WatchAlerts(sup.WatchAlertsRequest(cursor="0", queues=["sales"]))
    assert {message.call_id for message in await some(filtered, 2)} == {"b"}
    filtered.cancel()


async def test_taking_an_alert_reaches_the_live_call_and_everyone_else(run: Running) -> None:
    stub = supervisor(run)
    call = run.stub.StreamCall()
    for request in angry_call()[:-1]:
        await call.write(request)
    while not (message := await take(call)).HasField("alert"):
        pass
    alert_id = message.alert.alert_id
    answer = await stub.AckAlert(sup.AckAlertRequest(alert_id=alert_id, false_alarm=True, note="called back"))
    assert answer.alert.state == assist_pb2.Alert.STATE_ACKNOWLEDGED
    await call.write(end())
    states = [alert.state for alert in alerts(await rest(call)) if alert.alert_id == alert_id]
    assert states == [assist_pb2.Alert.STATE_ACKNOWLEDGED]
    twice = await stub.AckAlert(sup.AckAlertRequest(alert_id=alert_id))
    assert twice.alert == answer.alert
    stream = stub.WatchAlerts(sup.WatchAlertsRequest(cursor="0"))
    async with asyncio.timeout(10):
        while (seen := (await some(stream, 1))[0]).alert.state != assist_pb2.Alert.STATE_ACKNOWLEDGED:
            assert not seen.HasField("note")
    assert (seen.alert.alert_id, seen.false_alarm, seen.note) == (alert_id, True, "called back")
    stream.cancel()
    listed = await stub.ListCallAlerts(sup.ListCallAlertsRequest(call_id=seen.call_id))
    (stands,) = [one for one in listed.alerts if one.alert.alert_id == alert_id]
    assert (stands.alert.state, stands.note) == (assist_pb2.Alert.STATE_ACKNOWLEDGED, "called back")
    now = int(time.time() * 1000)
    for asked in (
        sup.ListCallAlertsRequest(call_id="another"),
        sup.ListCallAlertsRequest(call_id=seen.call_id, until_unix_ms=now - 3_600_000),
        sup.ListCallAlertsRequest(call_id=seen.call_id, since_unix_ms=now + 60_000),
    ):
        assert not (await stub.ListCallAlerts(asked)).alerts


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (sup.AckAlertRequest(alert_id="nobody"), grpc.StatusCode.NOT_FOUND),
        (sup.AckAlertRequest(), grpc.StatusCode.NOT_FOUND),
        (sup.AckAlertRequest(alert_id="x", note="長" * 3000), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_wrong_acknowledgements_are_refused(
    run: Running, request_: sup.AckAlertRequest, code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await supervisor(run).AckAlert(request_)
    assert caught.value.code() is code


@pytest.mark.parametrize("cursor", ["", "nonsense", "x-", "12", "-5", "x-²", "x-" + "9" * 5000])
async def test_a_wrong_cursor_is_refused(run: Running, cursor: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="cursor"):
        await some(supervisor(run).WatchAlerts(sup.WatchAlertsRequest(cursor=cursor)), 1)


async def test_a_cursor_of_another_store_begins_at_the_beginning(run: Running) -> None:
    await talk(run, angry_call())
    stream = supervisor(run).WatchAlerts(sup.WatchAlertsRequest(cursor="deadbeef-99"))
    assert (await some(stream, 1))[0].alert.state == assist_pb2.Alert.STATE_RAISED
    stream.cancel()


async def test_alerts_and_webhooks_survive_a_restart_of_the_server(tmp_path: Path) -> None:
    with receiving() as desk:
        desk.status = 500
        chosen = settings(
            alerts={"store": tmp_path / "alerts.db", "webhooks": [{"name": "desk", "url": desk.url}]}
        )
        async with running(chosen, SayingEngine(ANGRY)) as first:
            raised = alerts(await talk(first, angry_call()))
        desk.status = 200
        async with running(chosen, SayingEngine(ANGRY)) as second:
            stream = supervisor(second).WatchAlerts(sup.WatchAlertsRequest(cursor="0"))
            seen = await some(stream, len(raised))
            stream.cancel()
            async with asyncio.timeout(20):
                while len(desk.taken) < 2:
                    await asyncio.sleep(0.05)
    assert [message.alert.alert_id for message in seen] == [alert.alert_id for alert in raised]
    sent = [request.json["data"]["alert_id"] for request in desk.taken]
    assert len(sent) == len({(r.json["data"]["alert_id"], r.json["data"]["state"]) for r in desk.taken})


async def test_nobody_who_takes_it_in_time_lets_it_expire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.alerts.service.SWEEP_S", 0.2)
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "k"\nwhen = "words"\nrole = "customer"\nphrases = ["投訴"]\nexpire_s = 0.5\n',
        "utf-8",
    )
    chosen = settings(profiles={"default": {"alert_rules": rules}})
    async with running(chosen, SayingEngine(ANGRY)) as run:
        await talk(run, angry_call())
        stream = supervisor(run).WatchAlerts(sup.WatchAlertsRequest(cursor="0"))
        raised, expired = await some(stream, 2)
        stream.cancel()
        assert expired.alert.state == assist_pb2.Alert.STATE_EXPIRED
        with pytest.raises(grpc.aio.AioRpcError, match="ALERT_CLOSED"):
            await supervisor(run).AckAlert(sup.AckAlertRequest(alert_id=raised.alert.alert_id))


async def test_a_failing_emotion_model_leaves_words_alerts_and_transcript(
    run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise EmotionModelError("the fake was told to fail")

    monkeypatch.setattr(OnnxEmotionStream, "read", broken)
    messages = await talk(run, angry_call())
    warnings = [message.warning.code for message in messages if message.HasField("warning")]
    assert "EMOTION_FAILED" in warnings
    assert any(message.transcript.is_final for message in messages)
    assert alerts(messages)


async def test_a_failing_stage_leaves_the_transcript(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_named: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pipeline.stages.emotion_core.AlertMachine.said", broken)
    messages = await talk(run, angry_call())
    assert "EMOTION_FAILED" in [message.warning.code for message in messages if message.HasField("warning")]
    assert messages[-1].ended.utterances >= 1


async def test_a_store_that_cannot_be_written_holds_no_call_up(
    run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = AlertService._save
    broken = True

    async def save(self: AlertService, *args: Any, **named: Any) -> Saved:
        return Saved(done=False) if broken else await real(self, *args, **named)

    monkeypatch.setattr(AlertService, "_save", save)
    monkeypatch.setattr("pipeline.alerts.service.RETRY_S", 0.05)
    assert alerts(await talk(run, angry_call()))
    broken = False
    stream = supervisor(run).WatchAlerts(sup.WatchAlertsRequest(cursor="0"))
    assert await some(stream, 1)
    stream.cancel()


async def test_dead_air_is_told_and_a_hold_is_none(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "air"\nwhen = "dead_air"\nsilence_s = 5\n', "utf-8")
    async with running(settings(profiles={"default": {"alert_rules": rules}})) as run:
        messages = await talk(run, [start(), *chunks(silence(8)), end()])
        assert [alert.rule for alert in alerts(messages)] == ["air"]


async def test_without_alerts_there_is_no_service_and_no_alert() -> None:
    chosen = settings(alerts={"enabled": False}, emotion={"enabled": False})
    async with running(chosen, SayingEngine(ANGRY)) as run:
        messages = await talk(run, angry_call())
        assert not alerts(messages)
        assert not any(m.emotion.quality for m in messages if m.HasField("emotion"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await supervisor(run).AckAlert(sup.AckAlertRequest(alert_id="x"))
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_wrong_rule_file_is_refused_at_the_start_with_its_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "air"\nwhen = "never"\n', "utf-8")
    with pytest.raises(SettingsError, match=r"profiles\.default\.alert_rules: .*line 1"):
        async with running(settings(profiles={"default": {"alert_rules": rules}})):
            pass


async def test_a_reload_with_a_wrong_rule_file_keeps_the_old_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    # A reload loads the real recogniser in place of the fake one, and it hears 電話.
    rules.write_text('[[rule]]\nname = "one"\nwhen = "words"\nphrases = ["電話"]\n', "utf-8")
    async with running(settings(profiles={"default": {"alert_rules": rules}}), SayingEngine(ANGRY)) as run:
        rules.write_text("[[rule]\n", "utf-8")
        await reloaded(run)
        assert {alert.rule for alert in alerts(await talk(run, angry_call("a")))} == {"one"}
        rules.write_text('[[rule]]\nname = "two"\nwhen = "words"\nphrases = ["電話"]\n', "utf-8")
        await reloaded(run)
        assert {alert.rule for alert in alerts(await talk(run, angry_call("b")))} == {"two"}


@pytest.mark.parametrize(
    "fields", [{"tenant": "x" * 200}, {"queue": "a\nb"}, {"earlier_calls": -1}, {"earlier_calls": 5000}]
)
async def test_wrong_labels_of_a_call_are_refused(run: Running, fields: dict[str, Any]) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="INVALID_REQUEST"):
        await talk(run, [start(**fields)])


async def test_earlier_calls_count_from_the_start(run: Running) -> None:
    messages = await talk(run, [start(earlier_calls=5), *chunks(silence(6)), end()])
    found = [message.emotion for message in messages if message.HasField("emotion")]
    assert found
    assert found[-1].shares.behaviour == pytest.approx(1.0)


async def test_a_head_on_the_recognisers_states_judges_each_final(tmp_path: Path) -> None:
    graph(tmp_path, {"states": [1, 384]}, {"agitation": 1})  # 2 * 192: the bundled recogniser's width
    chosen = settings(emotion={"model": str(declare(tmp_path, ENCODER))})
    async with running(chosen, real=True) as run:
        messages = await talk(run, [start(), *chunks(demo_bytes(16)), end()])
    finals = {m.transcript.utterance_id: m.transcript for m in messages if m.transcript.is_final}
    judged = [m.emotion for m in messages if m.HasField("emotion") and m.emotion.quality > 0]
    assert len(judged) >= 2
    for emotion in judged:
        final = finals[emotion.utterance_id]
        assert (emotion.start_ms, emotion.end_ms) == (final.start_ms, final.end_ms)


async def test_a_hold_without_audio_is_no_dead_air(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "air"\nwhen = "dead_air"\nsilence_s = 5\n', "utf-8")
    async with running(settings(profiles={"default": {"alert_rules": rules}})) as run:
        data = list(chunks(demo_bytes(3)))
        later = pb.StreamCallRequest(
            audio=audio_pb2.Audio(sequence=len(data), offset_ms=63_000, data=demo_bytes(3))
        )
        held = [control(pause=audio_pb2.Pause()), control(resume=audio_pb2.Resume())]
        messages = await talk(run, [start(), *data, *held, later, end()])
        assert not alerts(messages)


async def test_large_messages_are_heard_like_small_ones() -> None:
    async with running(engine=SayingEngine("我想查數")) as run:
        data, counts = demo_bytes(40), []
        for size in (960, 80_000):  # 60 ms and 5 s
            pieces = [data[i : i + size] for i in range(0, len(data), size)]
            sent = [
                pb.StreamCallRequest(audio=audio_pb2.Audio(sequence=n, data=p)) for n, p in enumerate(pieces)
            ]
            messages = await talk(run, [start(f"call-{size}"), *sent, end()])
            counts.append(sum(m.emotion.quality > 0 for m in messages if m.HasField("emotion")))
        assert counts[1] >= counts[0] - 1


async def test_a_channel_that_sends_nothing_stops_nobodys_curve() -> None:
    async with running(engine=SayingEngine(ANGRY)) as run:
        whole = demo_bytes(20)
        customer = whole[::2]
        sent = [
            pb.StreamCallRequest(audio=audio_pb2.Audio(sequence=n, channel=0, data=customer[i : i + 480]))
            for n, i in enumerate(range(0, len(customer), 480))
        ]
        assert "customer-agitated" in {
            alert.rule for alert in alerts(await talk(run, [start(), *sent, end()]))
        }


async def test_a_reload_with_an_impossible_lexicon_keeps_the_server(tmp_path: Path) -> None:
    words = tmp_path / "words.toml"
    words.write_text('[x]\nterms = ["一"]\n', "utf-8")
    async with running(settings(profiles={"default": {"lexicon": [words]}})) as run:
        words.write_text('[x]\npatterns = ["a{99999999999}"]\n', "utf-8")
        await reloaded(run)
        assert (await talk(run, [start(), *chunks(silence(1)), end()]))[-1].ended.reason == "client"


async def test_a_store_that_is_gone_refuses_acknowledgements_and_ends_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_args: Any, **_named: Any) -> Saved:
        return Saved(done=False)

    monkeypatch.setattr(AlertService, "_save", never)
    monkeypatch.setattr("pipeline.alerts.service.FLUSH_S", 0.3)
    async with asyncio.timeout(30):
        async with running(engine=SayingEngine(ANGRY)) as run:
            (first, *_rest) = alerts(await talk(run, angry_call()))
            with pytest.raises(grpc.aio.AioRpcError, match="ALERTS_UNAVAILABLE"):
                await supervisor(run).AckAlert(sup.AckAlertRequest(alert_id=first.alert_id))
