"""TLS on real sockets: versions, machines by certificate, renewed certificates, gateways that vouch."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import shutil
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

import client
from pipeline.rpc import peers
from tests.access import provider as idp
from tests.access.authority import Authority
from tests.integration.access import bearer, guarded
from tests.integration.helpers import control, end, rest, running, settings, start, take
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import overview_service_pb2 as overview_pb
from yuetone.v1 import supervisor_service_pb2 as supervisor_pb

pytestmark = pytest.mark.integration
PBX = "spiffe://centre.example/bank/pbx/1"
RULES = {"certificates": [{"uri": "spiffe://centre.example/{tenant}/pbx/*"}]}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certified(authority: Authority, **fields: Any) -> dict[str, Any]:
    certificate, key = authority.issue("server")
    return {"tls_certificate": certificate, "tls_key": key, "tls_client_ca": authority.certificate, **fields}


async def me(address: str, identity: client.Identity) -> overview_pb.GetMeResponse:
    async with client.connected(address, identity) as channel:
        return await client.overview_stub(channel).GetMe(overview_pb.GetMeRequest())


@pytest.mark.parametrize("rsa_key", [False, True])
async def test_below_tls_1_3_no_handshake_succeeds(authority: Authority, *, rsa_key: bool) -> None:
    certificate, key = authority.issue("server", rsa_key=rsa_key)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("yuetone"), "serve", "--port", "0",
        "--tls-certificate", str(certificate), "--tls-key", str(key),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "YUETONE_ALERTS__STORE": "none", "YUETONE_SERVER__METRICS_PORT": "none"},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            line = json.loads(await process.stderr.readline())
        assert (line["event"], line["tls"]) == ("serving", True)
        shake = functools.partial(_handshake, line["port"], authority.certificate)
        assert await asyncio.to_thread(shake, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(shake, ssl.TLSVersion.TLSv1_2)
    finally:
        process.kill()
        await process.wait()


async def test_old_tls_that_got_through_the_handshake_is_refused(authority: Authority) -> None:
    """The server is in this process, where gRPC was imported without the list of ciphers."""
    old = _context(authority.certificate, ssl.TLSVersion.TLSv1_2)
    async with (
        running(settings(server=certified(authority, tls_client_ca=None))) as run,
        relayed(run.server.port, old) as port,
    ):
        with pytest.raises(grpc.aio.AioRpcError, match=r"TLS below 1\.3"):
            await me(f"127.0.0.1:{port}", client.NOBODY)


@asynccontextmanager
async def relayed(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Yield a port without TLS whose connections go on to ``port`` as ``context`` says."""
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            while data := await reader.read(65_536):
                writer.write(data)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        for work in (pump(reader, back), pump(there, writer)):
            pumps.add(asyncio.create_task(work))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


def _context(authorities: Path, newest: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authorities))
    context.maximum_version = newest
    context.set_alpn_protocols(["h2"])
    return context


def _handshake(port: int, authorities: Path, newest: ssl.TLSVersion) -> str | None:
    context = _context(authorities, newest)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as line,
        context.wrap_socket(line, server_hostname="localhost") as secured,
    ):
        return secured.version()


async def test_machines_and_people_come_by_two_doors(authority: Authority, tmp_path: Path) -> None:
    machines = free_port()
    certificate, key = authority.issue("pbx", uri=PBX)
    stranger = Authority(tmp_path, "stranger").issue("pbx-9", uri=PBX)
    with idp.running() as provider:
        chosen = guarded(provider, server=certified(authority, machine_port=machines), access=RULES)
        async with running(chosen) as run:
            people = f"localhost:{run.server.port}"
            shown = client.Identity(
                token=client.token_of(provider.token()), authorities=authority.certificate
            )
            assert (await me(people, shown)).principal == "oidc:staff:ann"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await me(people, client.Identity(authorities=authority.certificate))
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            machine = client.Identity(certificate=certificate, key=key, authorities=authority.certificate)
            found = await me(f"localhost:{machines}", machine)
            assert (found.principal, found.tenant) == (f"certificate:{PBX}", "bank")
            assert dict(found.permissions)["call.send"] == "own"
            for nobody in (
                client.Identity(authorities=authority.certificate),
                client.Identity(certificate=stranger[0], key=stranger[1], authorities=authority.certificate),
            ):
                with pytest.raises((client.NotReachable, grpc.aio.AioRpcError)):
                    await me(f"localhost:{machines}", nobody)


async def test_a_renewed_certificate_is_used_and_no_call_drops(authority: Authority, tmp_path: Path) -> None:
    chosen = settings(server=certified(authority, tls_client_ca=None))
    files = (tmp_path / "server.pem", tmp_path / "server.key")
    secure = client.Identity(authorities=authority.certificate)
    async with running(chosen) as run, client.connected(f"localhost:{run.server.port}", secure) as line:
        call = client.call_stub(line).StreamCall()
        await call.write(start("over-the-change"))
        await take(call)
        before = await asyncio.to_thread(_serial, run.server.port)
        (tmp_path / "server.key").write_text("half a file")
        assert await asyncio.to_thread(_serial, run.server.port) == before, "what cannot be used is not taken"
        other = tmp_path / "other"
        other.mkdir()
        authority.folder = other
        for fresh, file in zip(authority.issue("server"), files, strict=True):
            shutil.copy(fresh, file)
        assert await asyncio.to_thread(_serial, run.server.port) != before
        await call.write(end())
        await call.done_writing()
        assert (await rest(call))[-1].HasField("ended")


def _serial(port: int) -> str:
    """Return what the server's certificate is, unverified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as line,
        context.wrap_socket(line) as secured,
    ):
        return (secured.getpeercert(binary_form=True) or b"").hex()


# ------------------------------------------------------------------ gateways


@asynccontextmanager
async def behind_gateways(chosen: Any) -> AsyncIterator[str]:
    """Run a server behind a gateway; yield its address."""
    from pipeline.rpc.gateways import serve_behind  # noqa: PLC0415
    from pipeline.rpc.server import Server  # noqa: PLC0415
    from tests.fakes.engines import FakeEngine  # noqa: PLC0415

    up: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve_behind(chosen, ready=up.set_result, factory=FakeEngine, signals=False), name="server"
    )
    waiting: list[asyncio.Future[Any]] = [task, up]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not up.done():
        task.result()
    try:
        yield f"localhost:{up.result().port}"
    finally:
        up.result().stop()
        await task


async def test_a_gateway_vouches_for_certificates_and_nobody_else_does(authority: Authority) -> None:
    certificate, key = authority.issue("pbx", uri=PBX)
    nameless = authority.issue("nobody")
    forged: dict[str, tuple[tuple[str, str | bytes], ...]] = {
        "gateway": ((peers.GATEWAY, "guess"),),
        "certificate": ((peers.CERTIFICATE_URI, PBX), (peers.PEER, "ipv4:127.0.0.1:1")),
        "both": ((peers.GATEWAY, ""), (peers.CERTIFICATE_URI, PBX)),
        "name": ((peers.CERTIFICATE_NAME, b"pbx"),),
    }
    chosen = settings(server=certified(authority, gateways=1), access=RULES)
    async with behind_gateways(chosen) as address:
        machine = client.Identity(certificate=certificate, key=key, authorities=authority.certificate)
        assert (await me(address, machine)).principal == f"certificate:{PBX}"
        other = client.Identity(certificate=nameless[0], key=nameless[1], authorities=authority.certificate)
        async with client.connected(address, other) as channel:
            for name, metadata in forged.items():
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await client.overview_stub(channel).GetMe(overview_pb.GetMeRequest(), metadata=metadata)
                assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED, name


async def test_forged_metadata_is_nothing_without_gateways(authority: Authority) -> None:
    async with running(settings(access={**RULES, "identity": "required"})) as run:
        for metadata in (
            ((peers.CERTIFICATE_URI, PBX),),
            ((peers.GATEWAY, ""), (peers.CERTIFICATE_URI, PBX)),
            ((peers.GATEWAY, "None"), (peers.CERTIFICATE_URI, PBX)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await client.overview_stub(run.channel).GetMe(overview_pb.GetMeRequest(), metadata=metadata)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_tokens_go_through_gateways() -> None:
    with idp.running() as provider:
        async with behind_gateways(guarded(provider, server={"gateways": 1})) as address:
            shown = client.Identity(token=client.token_of(provider.token()))
            assert (await me(address, shown)).principal == "oidc:staff:ann"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await me(address, client.NOBODY)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


# ------------------------------------------------------------------ clients


async def test_who_watches_renews_the_token_and_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.rpc.gate.CHECK_S", 0.05)
    monkeypatch.setattr("pipeline.rpc.gate.EXPIRY_GRACE_S", 0.2)
    given: list[float] = []
    with idp.running() as provider:

        def token() -> str:
            given.append(time.monotonic())
            return provider.token(iat=time.time() - 1, exp=time.time() + 0.8)

        async with running(guarded(provider)) as run:
            machine = bearer(provider.token("pbx", roles=["telephony"]))
            call = run.stub.StreamCall(metadata=machine)
            await call.write(start("watched"))
            await take(call)
            address, lost = f"127.0.0.1:{run.server.port}", list[str]()
            async with client.connected(address, client.Identity(token=token)) as channel:
                seen: list[pb.WatchCallResponse] = []

                async def watch() -> None:
                    retry = client.Retry(first_s=0.01)
                    messages = client.watch_call(channel, "watched", retry=retry, lost=lost.append)
                    seen.extend([message async for message in messages])

                watching = asyncio.create_task(watch())
                for _ in range(4):
                    await asyncio.sleep(0.8)
                    await call.write(control(ping={}))
                await call.write(end())
                await call.done_writing()
                told = await rest(call)
                async with asyncio.timeout(10):
                    await watching
    assert len(given) >= 3, "the token was renewed"
    assert all(reason.startswith("TOKEN_EXPIRED") for reason in lost)
    numbers = [message.event.server_seq for message in seen]
    assert numbers == sorted(set(numbers)), "each event once"
    standing = [
        message.server_seq for message in told if message.server_seq and not message.HasField("health")
    ]
    assert set(standing) <= set(numbers)


async def test_a_token_that_has_ended_is_an_error_and_not_a_loop() -> None:
    with idp.running() as provider:
        old = client.Identity(token=client.token_of(provider.token(exp=time.time() - 100)))
        async with (
            running(guarded(provider)) as run,
            client.connected(f"127.0.0.1:{run.server.port}", old) as channel,
        ):
            with pytest.raises(grpc.aio.AioRpcError, match="TOKEN_EXPIRED"):
                async with asyncio.timeout(10):
                    async for _message in client.watch_alerts(channel, supervisor_pb.WatchAlertsRequest()):
                        pass


def test_sources_of_tokens(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(client.ClientError, match="no token can be read"):
        client.token_in(file)()
    file.write_text(" \n")
    with pytest.raises(client.ClientError, match="is empty"):
        client.token_in(file)()
    source = client.token_in(file)
    file.write_text("one\n")
    assert source() == "one"
    file.write_text("two\n")
    assert source() == "two", "whatever renews it wrote it anew"
    count, now = tmp_path / "count", [0.0]
    command = client.TokenCommand(f"sh -c 'echo x >> {count}; echo tok'", clock=lambda: now[0])
    assert [command() for _ in range(3)] == ["tok"] * 3
    now[0] = 100
    assert command() == "tok"
    assert count.read_text() == "x\nx\n"
    for wrong in ("false", "true", "/no/such/program"):
        with pytest.raises(client.ClientError, match="token command"):
            client.TokenCommand(wrong)()
