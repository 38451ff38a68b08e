from __future__ import annotations

import asyncio
import datetime
import json
import signal
import sys
import time
import urllib.request
from pathlib import Path

import grpc
import pytest

from client import call_stub
from pipeline.config import load_settings
from pipeline.errors import SettingsError
from pipeline.rpc.server import serve
from tests.audio import DEMO
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import (
    audio,
    chunks,
    control,
    demo_bytes,
    end,
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
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

pytestmark = pytest.mark.integration


async def test_a_broken_call_goes_on_where_it_stopped() -> None:
    data = demo_bytes(24)
    async with running() as run:
        expected = await talk(run, [start("whole"), *chunks(data), end()])
        first = run.stub.StreamCall()
        await first.write(start("broken"))
        before = [await take(first)]
        half = list(chunks(data))
        for request in half[:200]:
            await first.write(request)
        while not before[-1].transcript.is_final:
            before.append(await take(first))
        first.cancel()
        await asyncio.sleep(0.1)
        point = audio_pb2.ResumePoint(
            session_id=before[0].started.session_id, last_server_seq=before[-1].server_seq
        )
        second = run.stub.StreamCall()
        await second.write(start("broken", resume=point))
        resumed = await take(second)
        while not resumed.HasField("started"):
            before.append(resumed)
            resumed = await take(second)
        assert resumed.started.resumed
        acked = resumed.acked_audio_ms
        for index, first_byte in enumerate(range(acked * 16 - 960 * 4, len(data), 960)):  # some of it twice
            piece = data[first_byte : first_byte + 960]
            await second.write(audio(index, piece, offset_ms=first_byte // 16))
        await second.write(end())
        await second.done_writing()
        after = await rest(second)
    joined = {f.utterance_id: (f.start_ms, f.text) for f in finals([*before, *after])}
    assert sorted(joined.values()) == sorted((f.start_ms, f.text) for f in finals(expected))
    assert after[-1].ended.audio_ms == pytest.approx(24_000, abs=40)


async def test_only_the_owner_of_the_session_resumes() -> None:
    async with running() as run:
        first = run.stub.StreamCall()
        await first.write(start("mine"))
        await take(first)
        first.cancel()
        await asyncio.sleep(0.1)
        stolen = audio_pb2.ResumePoint(session_id="guess", last_server_seq=0)
        code, details, _kinds = await refused(run, [start("mine", resume=stolen)])
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "session_id" in details
        run.server.calls.close_all("lost")
        await run.server.calls.wait_empty(5)


async def test_whoever_knows_the_session_takes_a_call_over_from_a_dead_stream() -> None:
    async with running() as run:
        dead = run.stub.StreamCall()
        await dead.write(start("mine"))
        session = (await take(dead)).started.session_id
        for request in chunks(demo_bytes(2)):
            await dead.write(request)
        await asyncio.sleep(0.2)
        point = audio_pb2.ResumePoint(session_id=session, last_server_seq=1)
        fresh = run.stub.StreamCall()
        await fresh.write(start("mine", resume=point))
        async with asyncio.timeout(5):
            while not (message := await take(fresh)).HasField("started"):
                pass
        assert message.started.resumed
        with pytest.raises(grpc.aio.AioRpcError, match="taken this call over") as replaced:
            await rest(dead)
        assert replaced.value.code() is grpc.StatusCode.ABORTED
        await fresh.write(end())
        await fresh.done_writing()
        assert (await rest(fresh))[-1].ended.reason == "client"


async def test_a_hold_keeps_its_patience_over_a_broken_stream() -> None:
    chosen = settings(limits={"idle_timeout_s": 0.4, "hold_timeout_s": 30.0})
    async with running(chosen) as run:
        first = run.stub.StreamCall()
        await first.write(start("held"))
        session = (await take(first)).started.session_id
        await first.write(control(pause=audio_pb2.Pause(reason=audio_pb2.PAUSE_REASON_HOLD)))
        await asyncio.sleep(0.2)
        first.cancel()
        await asyncio.sleep(0.2)
        second = run.stub.StreamCall()
        await second.write(start("held", resume=audio_pb2.ResumePoint(session_id=session, last_server_seq=0)))
        await asyncio.sleep(1.0)
        await second.write(end())
        await second.done_writing()
        assert (await rest(second))[-1].ended.reason == "client"


async def test_pings_alone_hold_no_place() -> None:
    async with running(settings(limits={"idle_timeout_s": 0.5})) as run:
        call = run.stub.StreamCall()
        await call.write(start("squatter"))
        for _ in range(4):
            await call.write(control(ping=audio_pb2.Ping()))
            await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            while not (message := await take(call)).HasField("error"):
                pass
        assert message.error.code == "IDLE_TIMEOUT"
        call.cancel()


async def test_a_backlog_holds_no_shutdown_up_and_every_call_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.rpc.server.FLUSH_S", 0.4)
    monkeypatch.setattr("pipeline.rpc.server.HURRY_S", 0.1)
    engine = FakeEngine(seconds=1.0)  # a final a second: hopeless
    began = 0.0
    async with running(settings(server={"shutdown_grace_s": 0.3}), engine) as run:
        calls = [run.stub.StreamCall() for _ in range(4)]
        for number, call in enumerate(calls):
            await call.write(start(f"busy-{number}"))
            for request in chunks(demo_bytes(20)):
                await call.write(request)
        await asyncio.sleep(1.0)
        readers = [asyncio.create_task(rest(call)) for call in calls]
        began = time.monotonic()
        run.server.stop()
        told = await asyncio.gather(*readers)
    assert time.monotonic() - began < 6
    assert [messages[-1].ended.reason for messages in told] == ["shutdown"] * 4


async def test_asked_twice_the_server_hurries() -> None:
    async with running(settings(server={"shutdown_grace_s": 60.0})) as run:
        call = run.stub.StreamCall()
        await call.write(start("long"))
        for request in chunks(demo_bytes(5)):
            await call.write(request)
        await take(call)
        began = time.monotonic()
        run.server.stop()
        await asyncio.sleep(0.2)
        run.server.stop()
        messages = await rest(call)
    assert time.monotonic() - began < 10
    assert messages[-1].ended.reason == "shutdown"
    assert finals(messages), "its last sentences come out"


async def test_a_jump_of_hours_is_the_clients_fault_and_costs_nothing() -> None:
    async with running() as run:
        before = time.process_time()
        jump = [audio(0, silence(0.1), offset_ms=0), audio(1, silence(0.1), offset_ms=14_000_000)]
        code, details, kinds = await refused(run, [start("jump"), *jump])
        assert time.process_time() - before < 5
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "audio jumps 13999 s ahead" in details
    assert kinds[-1] == "ended"


async def test_behind_a_long_hold_each_channel_goes_on_where_it_is() -> None:
    """A line each: the second channel must not be refused because the first has come already."""
    pause = control(pause=audio_pb2.Pause(reason=audio_pb2.PAUSE_REASON_HOLD))
    half = silence(0.1, channels=1)
    async with running() as run:
        messages = await talk(
            run,
            [
                start("hold"),
                *(audio(0, half, channel=channel, offset_ms=0) for channel in (0, 1)),
                pause,
                control(resume=audio_pb2.Resume()),
                *(audio(1, half, channel=channel, offset_ms=1_200_000) for channel in (0, 1)),
                end(),
            ],
        )
    assert messages[-1].ended.reason == "client"
    assert messages[-1].ended.audio_ms == 1_200_100


async def test_minutes_that_never_came_are_silence_without_being_listened_to() -> None:
    async with running() as run:
        before = time.process_time()
        messages = await talk(
            run,
            [
                start("gap"),
                audio(0, silence(0.1), offset_ms=0),
                audio(1, silence(0.1), offset_ms=590_000),
                end(),
            ],
        )
        assert time.process_time() - before < 5
    assert messages[-1].ended.audio_ms == 590_100
    assert messages[-1].ended.gap_ms == pytest.approx(589_900, abs=20)


async def test_shutdown_finishes_a_live_call() -> None:
    engine = FakeEngine(seconds=0.05)
    async with running(settings(server={"shutdown_grace_s": 0.5}), engine) as run:
        call = run.stub.StreamCall()
        await call.write(start())
        for request in chunks(demo_bytes(8)):
            await call.write(request)
        await take(call)
        await asyncio.sleep(0.3)
        run.server.stop()
        await asyncio.sleep(0.1)
        code, details, _kinds = await refused(run, [start("late")])
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "SHUTTING_DOWN" in details
        messages = await rest(call)
    assert messages[-1].ended.reason == "shutdown"
    assert finals(messages), "what was said before the shutdown must come out"


async def test_the_command_serves_until_sigterm_and_counts() -> None:
    program = str(Path(sys.executable).with_name("yuetone"))
    process = await asyncio.create_subprocess_exec(
        program, "serve", "--port", "0", "--metrics-port", "0",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            line = json.loads(await process.stderr.readline())
            assert line["event"] == "serving"
            async with grpc.aio.insecure_channel(f"127.0.0.1:{line['port']}") as channel:
                stub = call_stub(channel)
                call = stub.StreamCall(iter([start(), *chunks(demo_bytes(5)), end()]))
                messages = [message async for message in call]
            assert messages[-1].ended.reason == "client"
            text = await asyncio.to_thread(
                lambda: urllib.request.urlopen(f"http://127.0.0.1:{line['metrics_port']}/metrics")
                .read()
                .decode()
            )
            assert 'yuetone_calls_total{reason="client",tenant=""} 1.0' in text
            assert "yuetone_final_latency_seconds_bucket" in text
            process.send_signal(signal.SIGTERM)
            log = (await process.stderr.read()).decode()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:  # else it holds its port against the next run
            process.kill()
            await process.wait()
    said = [final.raw_text for final in finals(messages) if len(final.raw_text) > 3]
    assert not any(text in log for text in said), "speech in the log"
    assert "stopped" in log


async def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    certificate, _key = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    _other, wrong = self_signed(tmp_path / "other")
    chosen = settings(server={"tls_certificate": certificate, "tls_key": wrong})
    with pytest.raises(SettingsError, match=r"server\.tls_key .* does not fit"):
        await serve(chosen, factory=FakeEngine, signals=False)


async def test_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    chosen = settings(server={"tls_certificate": certificate, "tls_key": key})
    async with running(chosen) as run:
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        async with grpc.aio.secure_channel(f"localhost:{run.server.port}", credentials) as channel:
            stub = call_stub(channel)
            answer = await stub.GetCapabilities(pb.GetCapabilitiesRequest())
            assert answer.model == "tiny"
        with pytest.raises(grpc.aio.AioRpcError):
            await run.stub.GetCapabilities(pb.GetCapabilitiesRequest())


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = (folder / "cert.pem", folder / "key.pem")
    pem[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem[1].write_bytes(private)
    return pem


async def test_a_model_that_does_not_exist_is_refused_at_start_up() -> None:
    with pytest.raises(
        SettingsError, match=r"asr\.model.*no model directory at /nowhere.*yuetone models list"
    ):
        await serve(settings(asr={"model": "/nowhere"}), signals=False)
    with pytest.raises(SettingsError, match="yuetone models pull whisper-large-v3"):
        await serve(settings(asr={"model": "whisper-large-v3", "models_dir": "/nowhere"}), signals=False)


async def test_weights_that_cannot_be_loaded_end_the_server_with_the_reason(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((DEMO.parents[1] / "asr" / "tiny" / name).read_bytes())
    (tmp_path / "model.bin").write_bytes(b"not weights")
    with pytest.raises(SettingsError, match="cannot load"):
        await serve(settings(asr={"model": str(tmp_path)}), signals=False)


async def test_a_port_that_is_taken_is_named() -> None:
    async with running() as run:
        with pytest.raises(SettingsError, match=r"server\.port"):
            await serve(settings(server={"port": run.server.port}), signals=False, factory=FakeEngine)
        await still_works(run)


def test_default_settings_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YUETONE_ASR__MODEL")
    assert load_settings().asr.model == "auto"
