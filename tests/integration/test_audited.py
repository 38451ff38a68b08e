"""What is read, begun and refused is in the audit log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.audit.log import segments
from pipeline.rpc import refusals
from tests.access.provider import Provider
from tests.integration.access import CALLS, Requests, bearer, four_calls, guarded, of_role
from tests.integration.helpers import end, rest, running, start, take

pytestmark = pytest.mark.integration


async def test_doors_that_were_tried_behind_the_gate_are_on_record(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "EVERY_S", 0.0)
    folder = tmp_path / "audit"
    async with four_calls(provider, guarded(provider, audit={"folder": folder})) as live:
        asked = Requests(live.run, of_role(provider, "supervisor", "telephony"))
        assert await asked.watch_call("other") == "NOT_FOUND"
        assert await asked.ack_alert("alert-other") == "NOT_FOUND"
        assert (await asked.list_calls("telecom"))[0] == "PERMISSION_DENIED"
        assert await asked.stream_call(tenant="telecom") == "PERMISSION_DENIED"
    records = [json.loads(line) for file in segments(folder) for line in file.read_bytes().splitlines()]
    refused = [(r["action"], r["target"]["id"], r["reason"]) for r in records if r["outcome"] == "refused"]
    assert refused == [
        ("call.watch", "other", "UNKNOWN_CALL"),
        ("alert.acknowledge", "alert-other", "UNKNOWN_ALERT"),
        ("call.list", "", "PERMISSION_DENIED"),
        ("call.send", "", "PERMISSION_DENIED"),
    ]


async def test_what_is_read_is_on_record_first(provider: Provider, tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    async with four_calls(provider, guarded(provider, audit={"folder": folder})) as live:
        asked = Requests(live.run, of_role(provider, "supervisor"))
        assert await asked.watch_call("own") == "ok"
        assert await asked.watch_call("other") == "NOT_FOUND"
        assert await asked.ack_alert("alert-team") == "ok"
        assert await Requests(live.run, ()).get_me() == "UNAUTHENTICATED"
        assert (
            await Requests(live.run, of_role(provider, "operator")).watch_call("own") == "PERMISSION_DENIED"
        )
        records = [json.loads(line) for file in segments(folder) for line in file.read_bytes().splitlines()]
    calls = [r for r in records if r["action"] == "call.send"]
    assert [(r["target"]["id"], r["tenant"], r["detail"]) for r in calls] == [
        (name, fields["company"], {"resumed": 0}) for name, fields in CALLS.items()
    ]
    records = [r for r in records if r["action"] != "call.send"]
    seen = [(r["action"], r["target"]["id"], r["outcome"], r["reason"], r["scope"]) for r in records]
    assert seen == [
        ("server.start", "", "ok", "", ""),
        ("call.watch", "own", "ok", "", "tenant"),
        ("call.watch", "other", "ok", "", "tenant"),
        ("call.watch", "other", "refused", "UNKNOWN_CALL", ""),
        ("alert.acknowledge", "alert-team", "ok", "", "tenant"),
        ("identity.show", "", "refused", "UNAUTHENTICATED", ""),
        ("call.watch", "", "refused", "PERMISSION_DENIED", ""),
    ]
    assert {r["actor"]["id"] for r in records[1:5]} == {"oidc:staff:ann"}
    assert all(r["tenant"] == "bank" for r in records[1:5])


async def test_a_full_disk_stops_reading_and_not_calls(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    async with four_calls(provider, guarded(provider, audit={"folder": tmp_path / "audit"})) as live:
        monkeypatch.setattr("pipeline.audit.log._write", full)
        asked = Requests(live.run, of_role(provider, "supervisor", "telephony"))
        answers = await asked.every_one()
        assert {method for method, outcome in answers.items() if outcome == "ok"} == {
            "StreamCall", "GetCapabilities", "GetMe", "SearchArticles",
        }  # fmt: skip
        assert {outcome for outcome in answers.values() if outcome != "ok"} == {"UNAVAILABLE"}
        monkeypatch.undo()
        assert await asked.watch_call("own") == "ok"


async def test_a_call_that_is_taken_up_again_is_on_record_as_such(provider: Provider, tmp_path: Path) -> None:
    shown = bearer(provider.token("pbx", roles=["telephony"]))
    async with running(guarded(provider, audit={"folder": tmp_path})) as run:
        first = run.stub.StreamCall(metadata=shown)
        await first.write(start("mine"))
        session = (await take(first)).started.session_id
        again = run.stub.StreamCall(metadata=shown)
        await again.write(start("mine", resume={"session_id": session, "last_server_seq": 0}))
        await take(again)
        await again.write(end())
        await again.done_writing()
        await rest(again)
    records = [json.loads(line) for file in segments(tmp_path) for line in file.read_bytes().splitlines()]
    sent = [(r["target"]["id"], r["detail"]) for r in records if r["action"] == "call.send"]
    assert sent == [("mine", {"resumed": 0}), ("mine", {"resumed": 1})]
