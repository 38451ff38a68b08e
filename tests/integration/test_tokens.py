"""Every method, what token: nobody gets in without a good one, and nobody is kept out."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from pipeline.access.tokens import AccessStore, ApiToken
from pipeline.sections.access import AccessRole
from tests.access.provider import Provider
from tests.integration.access import Cells, Requests, bearer, four_calls, guarded
from tests.integration.helpers import running

pytestmark = pytest.mark.integration


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
