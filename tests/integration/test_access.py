"""Every method, every role, whose call, what token: nobody gets what the table does not give."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from grpc_health.v1 import health_pb2, health_pb2_grpc

from client import overview_stub
from pipeline.access import authenticator as authenticating
from pipeline.access.grant import grant
from pipeline.access.permissions import Permission
from pipeline.access.principal import AuthMethod, Principal
from pipeline.access.tokens import AccessStore, ApiToken
from pipeline.audit.log import segments
from pipeline.calls.info import CallInfo
from pipeline.config import ProfileSettings
from pipeline.errors import AtCapacity
from pipeline.rpc import gate
from pipeline.rpc.caller import may_see_alerts
from pipeline.sections.access import AccessRole
from tests.access import provider as idp
from tests.access.provider import Provider
from tests.integration.access import CALLS, Live, Requests, bearer, four_calls, guarded, of_role
from tests.integration.helpers import end, reloaded, rest, running, start, take
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import overview_service_pb2 as overview_pb

pytestmark = pytest.mark.integration
OWN, TEAM, TENANT = {"own"}, {"own", "team"}, {"own", "team", "tenant"}
SEES: dict[str, set[str]] = {
    "agent": OWN, "team-lead": TEAM, "supervisor": TENANT,
    "telephony": set(), "quality": set(), "privacy-officer": set(), "ml-engineer": set(), "operator": set(),
    "auditor": set(),
}  # fmt: skip
"""Whose live calls each role sees: written down here again, for a table is not its own proof."""
SEARCHES = {"agent", "team-lead", "supervisor", "quality"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with idp.running() as found:
        yield found


class Cells:
    """What was found and what should have been."""

    def __init__(self) -> None:
        self.count = 0
        self.surprises: list[str] = []

    def expect(self, cell: str, found: object, wanted: object) -> None:
        self.count += 1
        if found != wanted:
            self.surprises.append(f"{cell}: {found}, not {wanted}")


async def test_every_method_for_every_role_and_every_call(provider: Provider) -> None:
    cells = Cells()
    async with four_calls(provider) as live:
        for role in AccessRole:
            await _role(live, role.value, cells)
    assert not cells.surprises
    assert cells.count >= 11 * 9 * 4


async def _role(live: Live, role: str, cells: Cells) -> None:
    asked, sees = Requests(live.run, of_role(live.provider, role)), SEES[role]
    may = "ok" if sees else "PERMISSION_DENIED"

    def reached(name: str) -> str:
        return may if name in sees or not sees else "NOT_FOUND"

    lists, listed = await asked.list_calls()
    watches, watched = await asked.watch_calls()
    alerted, alerts = await asked.watch_alerts()
    cells.expect(f"{role} GetMe", await asked.get_me(), "ok")
    about_others = sees - OWN if role == "agent" else sees
    for name, fields in CALLS.items():
        cell = f"{role} on {name}"
        cells.expect(f"{cell} WatchCall", await asked.watch_call(name), reached(name))
        cells.expect(f"{cell} ListCalls", (lists, name in listed), (may, name in sees))
        cells.expect(f"{cell} WatchCalls", (watches, name in watched), (may, name in sees))
        cells.expect(f"{cell} WatchAlerts", (alerted, name in alerts), (may, name in about_others))
        unseen = "NOT_FOUND" if sees else "PERMISSION_DENIED"
        acked = may if name in about_others else unseen
        cells.expect(f"{cell} AckAlert", await asked.ack_alert(f"alert-{name}"), acked)
        cells.expect(f"{cell} SubmitFeedback", await asked.submit_feedback(name), reached(name))
        cells.expect(f"{cell} SetReplyLanguage", await asked.set_reply_language(name), reached(name))
        company = fields["company"]
        own_company = company == "bank"
        sends = ("ok" if own_company else "PERMISSION_DENIED") if role == "telephony" else "PERMISSION_DENIED"
        cells.expect(f"{cell} StreamCall", await asked.stream_call(tenant=company), sends)
        searches = "ok" if role in SEARCHES and own_company else "PERMISSION_DENIED"
        cells.expect(f"{cell} SearchArticles", await asked.search_articles(company), searches)
        cells.expect(f"{cell} GetCapabilities", await asked.get_capabilities(), "ok")
        named = (await asked.list_calls(company))[0], (await asked.watch_calls(company))[0]
        there = may if own_company else "PERMISSION_DENIED"
        cells.expect(f"{cell} lists of a company", named, (there, there))


# ------------------------------------------------------------------ tokens


def forged(provider: Provider) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return what must not let anybody in, by what is wrong with it."""
    good, now = provider.token(), time.time()
    head, body, signature = good.split(".")
    public = jwt.PyJWK(provider.answer("/keys")["keys"][0]).key.public_bytes(  # type: ignore[index]
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hmac = _part({"alg": "HS256", "typ": "JWT"})
    nested = base64.urlsafe_b64encode(b"[" * 1900).decode().rstrip("=")
    stranger = Provider()
    stranger.url = provider.url
    other = _part(provider.claims(roles=["auditor"]))
    return {
        "none": (),
        "empty": (("authorization", ""),),
        "no bearer": (("authorization", good),),
        "basic": (("authorization", "Basic YTpi"),),
        "garbage": bearer("x.y.z"),
        "expired": bearer(provider.token(exp=now - 60, iat=now - 600)),
        "not yet": bearer(provider.token(nbf=now + 600)),
        "of tomorrow": bearer(provider.token(iat=now + 86_400, exp=now + 90_000)),
        "wrong audience": bearer(provider.token(aud="another service")),
        "no audience": bearer(provider.token(aud=None)),
        "wrong issuer": bearer(provider.token(iss="https://idp.example")),
        "issuer with a slash": bearer(provider.token(iss=f"{provider.url}/")),
        "nested": bearer(f"{nested}.{nested}.{nested}"),
        "list for issuer": bearer(f"{head}.{_part(provider.claims(iss=[provider.url]))}.AAAA"),
        "list for key": bearer(f"{_part({'alg': 'ES256', 'kid': []})}.{body}.AAAA"),
        "list for subject": bearer(provider.token(sub=["ann"])),
        "a long subject": bearer(provider.token("a" * 129)),
        "no time": bearer(provider.token(exp=10**18)),
        "a time that is no number": bearer(provider.token(iat=-(10**400))),
        "half a character": bearer(provider.token("\ud800")),
        "a long id": bearer(provider.token(jti="j" * 200)),
        "no subject": bearer(provider.token(sub=None)),
        "no end": bearer(provider.token(exp=None)),
        "no company": bearer(provider.token(company=None)),
        "company is a number": bearer(provider.token(company=7)),
        "wrong key": bearer(stranger.token()),
        "alg none": bearer(jwt.encode(provider.claims(), "", algorithm="none")),
        "public key as secret": bearer(f"{hmac}.{body}.{_hmac(public, f'{hmac}.{body}')}"),
        "other body": bearer(f"{head}.{other}.{signature}"),
        "no signature": bearer(f"{head}.{body}."),
        "api token of nobody": bearer("yt_00000000_" + "A" * 43),
        "long": bearer(provider.token(groups=["g" * 60] * 120)),
        "oversized": bearer("a" * 17_000),
    }


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _hmac(key: bytes, text: str) -> str:
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    made = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


async def test_no_method_lets_anybody_in_without_a_good_token(provider: Provider) -> None:
    cells = Cells()
    async with four_calls(provider) as live:
        for name, metadata in forged(provider).items():
            for method, outcome in (await Requests(live.run, metadata).every_one()).items():
                if name in ("long", "oversized") and outcome == "RESOURCE_EXHAUSTED":
                    continue  # gRPC has its own limit, which is no surprise
                cells.expect(f"{name} {method}", outcome, "UNAUTHENTICATED")
    assert not cells.surprises
    assert cells.count >= 11 * 27


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
async def test_good_tokens_of_every_kind_are_verified_once(provider: Provider, algorithm: str) -> None:
    async with running(guarded(provider)) as run:
        asked = Requests(run, bearer(provider.token(algorithm=algorithm)))
        before = len(provider.requests)
        assert [await asked.get_me() for _ in range(20)] == ["ok"] * 20
        assert run.server.app.authenticator._verifier.verified == 1
        assert len(provider.requests) - before == 2, "discovery and keys, once"


async def test_rotated_keys_are_fetched_and_invented_ones_are_not(provider: Provider) -> None:
    async with running(guarded(provider)) as run:
        old = bearer(provider.token())
        assert await Requests(run, old).get_me() == "ok"
        provider.rotate()
        keys = run.server.app.authenticator._verifier._issuers[provider.url][1]
        keys._tried = -1e9
        assert await Requests(run, bearer(provider.token())).get_me() == "ok"
        assert await Requests(run, old).get_me() == "UNAUTHENTICATED", "its key is gone"
        before, stranger = len(provider.requests), Provider()
        stranger.url = provider.url
        for _ in range(30):
            assert await Requests(run, bearer(stranger.token())).get_me() == "UNAUTHENTICATED"
        assert len(provider.requests) - before <= 2


async def test_a_provider_that_is_away_lets_those_in_whom_it_let_in_before(provider: Provider) -> None:
    async with running(guarded(provider)) as run:
        assert await Requests(run, bearer(provider.token())).get_me() == "ok"
        provider.down = True
        try:
            assert await Requests(run, bearer(provider.token("bob"))).get_me() == "ok", "keys are known"
        finally:
            provider.down = False


async def test_api_tokens_are_narrow_and_can_be_revoked(provider: Provider, tmp_path: Path) -> None:
    path, now = str(tmp_path / "access.db"), time.time()
    store = AccessStore(path)
    roles = frozenset({AccessRole.SUPERVISOR})
    good = store.create(ApiToken(prefix="", owner="export", tenant="bank", roles=roles, created_at=now))
    ended = store.create(
        ApiToken(prefix="", owner="x", tenant="bank", roles=roles, created_at=now - 9, expires_at=now - 1)
    )
    async with running(guarded(provider, access={"store": path})) as run:
        asked = Requests(run, bearer(good))
        assert (await asked.list_calls())[0] == "ok"
        assert await Requests(run, bearer(ended)).get_me() == "UNAUTHENTICATED"
        assert await Requests(run, bearer(f"{good}A")).get_me() == "UNAUTHENTICATED"
        store.revoke_token(good.split("_")[1], time.time())
        await run.server.app.authenticator.look()
        assert (await asked.list_calls())[0] == "UNAUTHENTICATED"
    store.close()
    assert good.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("access.db*"))


async def test_a_person_who_is_revoked_is_out_until_a_new_token(provider: Provider, tmp_path: Path) -> None:
    path = str(tmp_path / "access.db")
    async with running(guarded(provider, access={"store": path})) as run:
        old = Requests(run, bearer(provider.token("eve")))
        assert await old.get_me() == "ok"
        store = AccessStore(path)
        store.revoke("oidc:staff:eve", time.time())
        store.close()
        await run.server.app.authenticator.look()
        assert await old.get_me() == "UNAUTHENTICATED"
        assert await Requests(run, bearer(provider.token("ann"))).get_me() == "ok"
        assert await Requests(run, bearer(provider.token("eve", iat=time.time() + 1))).get_me() == "ok"


async def test_whoever_asks_too_often_is_told_so(provider: Provider) -> None:
    async with running(guarded(provider, access={"requests_per_s": 1})) as run:
        busy = Requests(run, bearer(provider.token("busy")))
        answers = [await busy.get_me() for _ in range(30)]
        assert answers.count("RESOURCE_EXHAUSTED") > 15
        assert await Requests(run, bearer(provider.token("calm"))).get_me() == "ok"


async def test_who_leaves_at_once_keeps_nobody_else_out(provider: Provider) -> None:
    """Whoever shows an invented key id makes us ask the provider; that goes on when they hang up."""
    async with running(guarded(provider)) as run:
        keys = run.server.app.authenticator._verifier._issuers[provider.url][1]
        fetch, going = keys._fetch, asyncio.Event()

        async def slow() -> Any:
            going.set()
            await asyncio.sleep(0.3)
            return await fetch()

        keys._fetch = slow  # type: ignore[method-assign]
        stranger = Provider()
        stranger.url = provider.url
        asking = asyncio.create_task(Requests(run, bearer(stranger.token())).get_me(), name="Task-leaves")
        await going.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await Requests(run, bearer(provider.token())).get_me() == "ok"


async def test_who_begins_a_call_and_leaves_leaves_no_call_behind(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = guarded(
        provider, audit={"folder": tmp_path}, limits={"resume_window_s": 0.2, "idle_timeout_s": 2}
    )
    async with running(chosen) as run:
        real = run.server.app.auditor.record

        async def slow(entry: Any) -> None:
            await asyncio.sleep(0.3)
            await real(entry)

        monkeypatch.setattr(run.server.app.auditor, "record", slow)
        shown = bearer(provider.token(roles=["telephony"]))
        for number in range(5):
            call = run.stub.StreamCall(metadata=shown)
            await call.write(start(f"left-{number}"))
            await asyncio.sleep(0.1)
            call.cancel()
        async with asyncio.timeout(10):
            while len(run.server.calls):
                await asyncio.sleep(0.05)


async def test_revoking_an_api_token_asks_no_clock(provider: Provider, tmp_path: Path) -> None:
    path = str(tmp_path / "access.db")
    store = AccessStore(path)
    ahead = ApiToken(
        prefix="", owner="x", tenant="bank", roles=frozenset({AccessRole.SUPERVISOR}),
        created_at=time.time() + 5,
    )  # fmt: skip
    token = store.create(ahead)
    async with running(guarded(provider, access={"store": path})) as run:
        asked = Requests(run, bearer(token))
        assert await asked.get_me() == "ok"
        store.revoke_token(token.split("_")[1], time.time())
        await run.server.app.authenticator.look()
        assert await asked.get_me() == "UNAUTHENTICATED"
    store.close()


async def test_a_clock_that_is_ahead_outlives_no_revocation(provider: Provider, tmp_path: Path) -> None:
    path = str(tmp_path / "access.db")
    async with running(guarded(provider, access={"store": path})) as run:
        early = Requests(run, bearer(provider.token("eve", iat=time.time() + 20)))
        assert await early.get_me() == "ok"
        store = AccessStore(path)
        store.revoke("oidc:staff:eve", time.time())
        await run.server.app.authenticator.look()
        assert await early.get_me() == "UNAUTHENTICATED"
        with store._engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE api_tokens")
        store.close()
        outcome = await Requests(run, bearer("yt_deadbeef_x")).get_me()
        assert outcome == "UNAUTHENTICATED", "no SQL for strangers"


def test_alerts_are_for_those_who_may_watch_alerts() -> None:
    info = CallInfo(call_id="c", tenant="bank", agent_id="me")
    profiles = {"default": ProfileSettings()}
    who = Principal(
        id="p", method=AuthMethod.API_TOKEN, tenant="bank", roles=frozenset({AccessRole.SUPERVISOR})
    )
    narrow = replace(who, only=frozenset({Permission.CALL_LIST}))
    agent = replace(who, roles=frozenset({AccessRole.AGENT}), agent_id="me")
    told = {"default": ProfileSettings(agents_see_alerts=True)}
    assert may_see_alerts(grant(who, Permission.CALL_LIST), info, profiles)
    assert not may_see_alerts(grant(narrow, Permission.CALL_LIST), info, profiles)
    assert not may_see_alerts(grant(agent, Permission.CALL_WATCH), info, profiles)
    assert may_see_alerts(grant(agent, Permission.CALL_WATCH), info, told)


async def test_strangers_who_watch_the_health_leave_room(provider: Provider) -> None:
    async with running(guarded(provider)) as run:
        health = health_pb2_grpc.HealthStub(run.channel)
        streams = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
        outcomes = []
        for stream in streams:
            try:
                outcomes.append(await stream.read() is not grpc.aio.EOF)
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # noqa: PT017 (others succeed)
                outcomes.append(False)
        assert outcomes.count(True) == gate.PUBLIC_STREAMS_A_HOST
        assert await Requests(run, bearer(provider.token())).get_me() == "ok"
        for stream in streams:
            stream.cancel()


# ------------------------------------------------------------------ streams


async def test_watching_ends_behind_the_token_and_a_call_does_not(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "CHECK_S", 0.05)
    monkeypatch.setattr(gate, "EXPIRY_GRACE_S", 0.5)
    async with running(guarded(provider)) as run:
        soon: dict[str, Any] = {"iat": time.time() - 1, "exp": time.time() + 1.0}
        call = run.stub.StreamCall(metadata=bearer(provider.token(roles=["telephony"], **soon)))
        await call.write(start("long"))
        await take(call)
        watch = run.stub.WatchCall(
            pb.WatchCallRequest(call_id="long"), metadata=bearer(provider.token(**soon))
        )
        begun = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async with asyncio.timeout(10):
                async for _message in watch:
                    pass
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert (ended.value.details() or "").startswith("TOKEN_EXPIRED")
        assert time.monotonic() - begun > 1.2
        await call.write(end())
        await call.done_writing()
        assert (await rest(call))[-1].HasField("ended")


async def test_watching_ends_when_somebody_is_revoked(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "CHECK_S", 0.05)
    monkeypatch.setattr(authenticating, "FOLLOW_S", 0.05)
    path = str(tmp_path / "access.db")
    async with running(guarded(provider, access={"store": path})) as run:
        request = overview_pb.WatchCallsRequest()
        watch = overview_stub(run.channel).WatchCalls(request, metadata=bearer(provider.token("eve")))
        assert await watch.read() is not grpc.aio.EOF
        store = AccessStore(path)
        store.revoke("oidc:staff:eve", time.time())
        store.close()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async with asyncio.timeout(10):
                while await watch.read() is not grpc.aio.EOF:
                    pass
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_only_who_began_a_call_resumes_it(provider: Provider) -> None:
    async with running(guarded(provider)) as run:
        first = run.stub.StreamCall(metadata=bearer(provider.token("pbx-1", roles=["telephony"])))
        await first.write(start("mine"))
        session = (await take(first)).started.session_id
        for subject, company in (("pbx-2", "bank"), ("pbx-1", "telecom")):
            shown = bearer(provider.token(subject, roles=["telephony"], company=company))
            thief = run.stub.StreamCall(metadata=shown)
            await thief.write(start("mine", resume={"session_id": session, "last_server_seq": 0}))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await rest(thief)
            assert (refused.value.details() or "").startswith("UNKNOWN_CALL"), subject
        again = run.stub.StreamCall(metadata=bearer(provider.token("pbx-1", roles=["telephony"])))
        await again.write(start("mine", resume={"session_id": session, "last_server_seq": 0}))
        assert (await take(again)).started.session_id == session
        await again.write(end())
        await again.done_writing()
        await rest(again)


async def test_two_companies_may_use_one_call_id(provider: Provider) -> None:
    async with running(guarded(provider)) as run:
        calls = []
        for company in ("bank", "telecom"):
            shown = bearer(provider.token("pbx", roles=["telephony"], company=company))
            call = run.stub.StreamCall(metadata=shown)
            await call.write(start("1001", team=company))
            assert (await take(call)).HasField("started")
            calls.append(call)
        for company in ("bank", "telecom"):
            answer = await overview_stub(run.channel).ListCalls(
                overview_pb.ListCallsRequest(), metadata=bearer(provider.token(company=company))
            )
            assert [(row.call_id, row.tenant, row.team) for row in answer.calls] == [
                ("1001", company, company)
            ]
        for call in calls:
            await call.write(end())
            await call.done_writing()
            await rest(call)


async def test_issuers_and_companies_are_read_again(provider: Provider, tmp_path: Path) -> None:
    store = {"store": str(tmp_path / "access.db")}
    before = guarded(provider, access=store)
    after = guarded(
        provider,
        access={**store, "issuers": [], "certificates": [{"common_name": "pbx", "tenant": "bank"}]},
        tenants={"bank": {"max_calls": 0}},
    )
    async with running(before, reread=lambda: after) as run:
        shown = bearer(provider.token(roles=["telephony"]))
        assert await Requests(run, shown).stream_call() == "ok"
        await reloaded(run)
        assert await Requests(run, shown).stream_call() == "UNAUTHENTICATED"
        with pytest.raises(AtCapacity):
            run.server.app.capacity.admit({}, tenant="bank")


# ------------------------------------------------------------------ audit


async def test_doors_that_were_tried_behind_the_gate_are_on_record(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "REFUSAL_S", 0.0)
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
