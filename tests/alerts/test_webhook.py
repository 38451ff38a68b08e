from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from pipeline.alerts.payloads import Format, accepted, body, signed_url
from pipeline.alerts.webhook import wait_before
from pipeline.calls.events import AlertState, Severity
from pipeline.calls.info import CallInfo
from pipeline.config import WebhookSettings
from pipeline.storage.database import MEMORY
from tests.alerts.helpers import (
    CALL,
    alert,
    closed,
    everybody,
    hook,
    pass_s,
    publish,
    record,
    running_hub,
    until,
)
from tests.alerts.receiver import receiving


async def test_an_alert_is_sent_once_and_signed() -> None:
    with receiving() as desk:
        async with running_hub(MEMORY, hook(desk.url, secret=SecretStr("s3cret"))) as hub:
            publish(hub, alert())
            await until(lambda: len(desk.taken) == 1)
            await asyncio.sleep(0.3)
        (request,) = desk.requests
    assert request.json["type"] == "alert.raised"
    assert request.json["data"]["queue"] == CALL.queue
    assert request.json["data"]["curve"][-1] == {"at_ms": 2000, "value": 0.7}
    identifier, sent = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    signed = f"{identifier}.{sent}.".encode() + request.body
    expected = base64.b64encode(hmac.new(b"s3cret", signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(sent) - time.time()) < 10


async def test_a_receiver_that_fails_and_comes_back_gets_everything_in_the_end() -> None:
    with receiving() as desk:
        desk.status = 500
        async with running_hub(MEMORY, hook(desk.url)) as hub:
            for number in range(3):
                publish(hub, alert(number))
            await until(lambda: len(desk.requests) >= 2)
            assert not desk.taken
            desk.status = 204
            await until(lambda: len(desk.taken) == 3)
    taken = {request.json["data"]["alert_id"] for request in desk.taken}
    assert taken == {"alert-0", "alert-1", "alert-2"}
    identifiers = {r.json["data"]["alert_id"]: r.headers["webhook-id"] for r in desk.requests}
    assert all(identifiers[r.json["data"]["alert_id"]] == r.headers["webhook-id"] for r in desk.requests)


async def test_a_receiver_that_is_down_is_asked_seldom_however_much_waits() -> None:
    with receiving() as desk:
        desk.status = 500
        async with running_hub(MEMORY, hook(desk.url)) as hub:
            for number in range(50):
                publish(hub, alert(number))
            await until(lambda: bool(desk.requests))
            await pass_s(2.5)
            assert 1 <= len(desk.requests) <= 4


async def test_a_receiver_that_hangs_is_given_up_and_tried_again() -> None:
    with receiving() as desk:
        desk.go_on.clear()
        async with running_hub(MEMORY, hook(desk.url)) as hub:
            publish(hub, alert())
            await until(lambda: len(desk.requests) >= 2)
            desk.go_on.set()
            await until(lambda: len(desk.taken) >= 1)


async def test_nobody_listening_is_no_harm() -> None:
    with receiving() as desk:
        port = desk.port
    async with running_hub(MEMORY, hook(f"http://127.0.0.1:{port}/")) as hub:
        publish(hub, alert())
        await asyncio.sleep(0.5)
        with receiving(port) as back:
            await until(lambda: len(back.taken) == 1)


async def test_what_was_not_sent_is_sent_after_a_restart_and_what_was_is_not(tmp_path: Path) -> None:
    path = tmp_path / "alerts.db"
    with receiving() as desk:
        async with running_hub(path, hook(desk.url)) as hub:
            publish(hub, alert(1))
            await until(lambda: len(desk.taken) == 1)
            desk.status = 503
            publish(hub, alert(2))
            await until(lambda: len(desk.requests) == 2)
        desk.status = 200
        async with running_hub(path, hook(desk.url)):
            await until(lambda: len(desk.taken) == 2)
            await asyncio.sleep(0.5)
    assert [request.json["data"]["alert_id"] for request in desk.taken] == ["alert-1", "alert-2"]


async def test_nothing_more_is_sent_of_an_alert_that_somebody_took() -> None:
    with receiving() as desk:
        desk.status = 500
        async with running_hub(MEMORY, hook(desk.url)) as hub:
            publish(hub, alert(1))
            await until(lambda: len(desk.requests) == 1)
            await hub.acknowledge("alert-1", false_alarm=False, note=None, seen=everybody)
            desk.status = 200
            await pass_s(3)
            assert len(desk.requests) == 1
            assert await hub.in_thread(hub.store.pending) == 0


async def test_a_receiver_that_asks_to_wait_is_obeyed() -> None:
    with receiving() as desk:
        desk.status, desk.extra = 429, {"retry-after": "30"}
        async with running_hub(MEMORY, hook(desk.url)) as hub:
            publish(hub, alert(1))
            await until(lambda: len(desk.requests) == 1)
            await pass_s(2.5)
            assert len(desk.requests) == 1


@pytest.mark.parametrize("asked", ["²", "-5", "soon", "9" * 400])
async def test_nonsense_in_retry_after_does_no_harm(asked: str) -> None:
    with receiving() as desk:
        desk.status, desk.extra = 503, {"retry-after": asked}
        async with running_hub(MEMORY, hook(desk.url)) as hub:
            publish(hub, alert(1))
            await until(lambda: bool(desk.requests))
            await pass_s(1.0)
            assert 1 <= len(desk.requests) <= 2


async def test_giving_up_is_not_hurried(tmp_path: Path) -> None:
    with receiving() as desk:
        desk.status = 500
        async with running_hub(MEMORY, hook(desk.url, give_up_h=1e-9)) as hub:
            for number in range(30):
                publish(hub, alert(number))
            await until(lambda: bool(desk.requests))
            await pass_s(1.5)
            assert 1 <= len(desk.requests) <= 3


async def test_two_supervisors_at_once_take_an_alert_once() -> None:
    async with running_hub(MEMORY) as hub:
        publish(hub, alert(1))
        both = await asyncio.gather(
            hub.acknowledge("alert-1", false_alarm=True, note=None, seen=everybody),
            hub.acknowledge("alert-1", false_alarm=False, note=None, seen=everybody),
        )
        assert both[0].seq == both[1].seq
        kept = await hub.in_thread(hub.store.after, 0)
        assert [found.event.state for found in kept] == [AlertState.RAISED, AlertState.ACKNOWLEDGED]


async def test_old_deliveries_are_given_up() -> None:
    with receiving() as desk:
        desk.status = 500
        async with running_hub(MEMORY, hook(desk.url, give_up_h=1e-9)) as hub:
            publish(hub, alert(1))
            await until(lambda: len(desk.requests) == 1)
            await asyncio.sleep(0.2)
            assert await hub.in_thread(hub.store.pending) == 0


async def test_only_what_is_wanted_is_sent() -> None:
    with receiving() as desk:
        wanted = hook(desk.url, min_severity="critical", states=("raised",), tenants=("acme",))
        async with running_hub(MEMORY, wanted) as hub:
            publish(hub, alert(1))
            publish(hub, alert(2, severity=Severity.CRITICAL))
            publish(hub, closed(2, AlertState.CALMED))
            await until(lambda: len(desk.taken) == 1)
            await asyncio.sleep(0.2)
        assert [request.json["data"]["alert_id"] for request in desk.requests] == ["alert-2"]


async def test_dingtalk_answers_200_also_when_it_refuses() -> None:
    with receiving() as robot:
        robot.answer = b'{"errcode":310000,"errmsg":"keywords not in content"}'
        async with running_hub(MEMORY, hook(robot.url, format="dingtalk", secret=SecretStr("SEC1"))) as hub:
            publish(hub, alert())
            await until(lambda: len(robot.requests) == 1)
            assert await hub.in_thread(hub.store.pending) == 1
            robot.answer = b'{"errcode":0,"errmsg":"ok"}'
            await until(lambda: len(robot.requests) == 2)
            await asyncio.sleep(0.2)
            assert await hub.in_thread(hub.store.pending) == 0
    query = parse_qs(urlsplit(robot.requests[-1].path).query)
    stamp = query["timestamp"][0]
    expected = hmac.new(b"SEC1", f"{stamp}\nSEC1".encode(), hashlib.sha256).digest()
    assert base64.b64decode(query["sign"][0]) == expected
    assert query["key"] == ["1"]
    assert robot.requests[-1].json["msgtype"] == "markdown"


def test_payloads_hold_what_people_need() -> None:
    for format_ in ("dingtalk", "slack", "teams"):
        text = body(record(), format_).decode()
        assert "call-1" in text
        assert "激動程度 70%" in text
        assert "billing" in text
    assert '"blocks"' in body(record(), "slack").decode()
    assert '"AdaptiveCard"' in body(record(), "teams").decode()


@pytest.mark.parametrize(
    ("format_", "status", "answer", "taken"),
    [
        ("yuetone", 200, b"", True), ("slack", 404, b"", False), ("teams", 202, b"", True),
        ("yuetone", 301, b"", False), ("dingtalk", 200, b"<html>", False), ("dingtalk", 200, b"[]", False),
    ],
)  # fmt: skip
def test_what_counts_as_taken(format_: str, status: int, answer: bytes, taken: bool) -> None:
    assert accepted(format_, status, answer) is taken  # type: ignore[arg-type]


def test_waits_grow_to_a_limit_and_differ() -> None:
    assert [wait_before(n, lambda: 0.5) for n in (0, 1, 2, 3)] == [1, 2, 4, 8]
    assert wait_before(500, lambda: 1.0) == pytest.approx(360)
    assert wait_before(0, lambda: 0.0) < wait_before(0, lambda: 0.9)


def test_an_unsigned_dingtalk_address_stays_as_it_is() -> None:
    assert signed_url("https://x.example/robot", "dingtalk", 1, None) == "https://x.example/robot"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x"},
        {"url": "nonsense"},
        {"name": "A B"},
        {"secret": "whsec_***"},
        {"format": "fax"},
        {"url": "https://user:TOKEN@ex℀mple.com/"},
        {"url": "http://h:99999/TOKEN"},
        {"url": "http://[::1]:x/TOKEN"},
    ],
)
def test_wrong_settings_are_refused_without_showing_secrets(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookSettings(**{"name": "desk", "url": "https://x.example/TOKEN", **wrong})
    assert "TOKEN" not in str(caught.value)


@pytest.mark.parametrize("format_", ["dingtalk", "slack", "teams"])
def test_what_clients_can_set_is_no_markup_link_or_mention(format_: Format) -> None:
    hostile = "[pay here](https://evil.example) @all <!channel> *now* #1 `x` ![i](http://e.example/i.png)"
    told = body(dataclasses.replace(record(), call=CallInfo(call_id="c", queue=hostile)), format_).decode()
    if format_ == "slack":
        assert "mrkdwn" not in told, "plain text is not parsed"
        return
    assert "pay here" in told
    for mark in ("](", "://evil", "://e.", "@all", "<!channel>", "*now*", "`x`"):
        assert mark not in told, mark
