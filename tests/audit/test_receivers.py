"""The log elsewhere: a syslog server over TLS, an HTTP collector, restarts, receivers that are down."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from pipeline.audit import receivers
from pipeline.audit.feed import AuditFeed
from pipeline.audit.log import AuditLog, segments
from pipeline.audit.receivers import AuditSender
from pipeline.metrics import Metrics
from pipeline.sections.audit import AuditReceiverSettings
from tests.access.authority import Authority
from tests.audit.test_log import DECEMBER, NOVEMBER, ORIGIN, entry, filled


@asynccontextmanager
async def sending(folder: Path, settings: AuditReceiverSettings) -> AsyncIterator[None]:
    task = asyncio.create_task(AuditSender(folder, settings, Metrics()).run(), name="sender")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(done: Any) -> None:
    async with asyncio.timeout(15):
        while not done():
            await asyncio.sleep(0.02)


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [int(event["metadata"]["uid"]) for event in events if "metadata" in event]


async def test_a_syslog_server_gets_records_and_checkpoints_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("siem"))
    lines: list[bytes] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while size := await reader.readuntil(b" "):
                lines.append(await reader.readexactly(int(size)))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    filled(tmp_path / "audit", 130)
    settings = AuditReceiverSettings(
        name="siem", host="localhost", port=server.sockets[0].getsockname()[1], tls_ca=authority.certificate
    )
    async with sending(tmp_path / "audit", settings):
        await until(lambda: len(lines) == 137)
    server.close()
    heads = [line.split(b" - ", 1) for line in lines]
    events = [json.loads(body) for _head, body in heads]
    assert numbers(events) == list(range(130))
    stamp = rb"<109>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ yuetone \d+ audit"
    assert all(re.fullmatch(stamp, head) for head, _body in heads)
    notes = [event["yuetone_audit_checkpoint"] for event in events[130:]]
    verifier = AuditLog(tmp_path / "audit", ORIGIN).signer.verifier
    assert [verifier.open(note).size for note in notes] == [20, 40, 60, 80, 100, 120, 130]


@contextmanager
def collector() -> Iterator[tuple[str, list[dict[str, Any]], list[int]]]:
    """Yield an address, what came there, and the answers to be given first."""
    events: list[dict[str, Any]] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if answers else 200
            if status == 200 and self.headers["Authorization"] == "Splunk s3cret":
                events.extend(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", events, answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_a_collector_that_fails_gets_everything_in_order_also_over_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "POLL_S", 0.01)
    log = filled(tmp_path, 250)
    with collector() as (url, events, answers):
        answers.extend((503, 500, 302))
        settings = AuditReceiverSettings(
            name="splunk", url=SecretStr(url), authorization=SecretStr("Splunk s3cret")
        )
        async with sending(tmp_path, settings):
            await until(lambda: len(numbers(events)) == 250)
            log.append([entry(250)])
            await until(lambda: len(numbers(events)) == 251)
        log.append([entry(251)])
        async with sending(tmp_path, settings):
            await until(lambda: len(numbers(events)) == 252)
    assert numbers(events) == list(range(252)), "each once, in order"


def test_a_feed_goes_over_months_and_half_written_lines(tmp_path: Path) -> None:
    now = [NOVEMBER]
    log = AuditLog(tmp_path, ORIGIN, lambda: now[0])
    log.append([entry(0), entry(1)])
    feed = AuditFeed(tmp_path, "siem")
    events, place = feed.next()
    feed.keep(place)
    now[0] = DECEMBER
    log.append([entry(2)])
    with segments(tmp_path)[-1].open("ab") as file:
        file.write(b'{"half')
    more, place = feed.next()
    feed.keep(place)
    assert numbers(events + more) == [0, 1, 2]
    assert AuditFeed(tmp_path, "siem").next()[0] == []
    assert numbers(AuditFeed(tmp_path, "another").next()[0]) == [0, 1, 2]


def test_a_place_beyond_the_log_is_no_silence(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    (tmp_path / "sent-siem.json").write_text('{"record": 1000000000, "checkpoint": 0}')
    with pytest.raises(ValueError, match="beyond the log"):
        AuditFeed(tmp_path, "siem").next()


def test_old_segments_are_deleted_whole(tmp_path: Path) -> None:
    now = [NOVEMBER]
    log = AuditLog(tmp_path, ORIGIN, lambda: now[0])
    log.append([entry(0)])
    now[0] = DECEMBER
    log.append([entry(1)])
    assert log.forget(1) == []
    now[0] = DECEMBER + 10 * 86_400
    log.append([entry(2)])
    assert log.forget(1) == ["audit-2026-11.jsonl"]
    assert log.forget(1) == []


@pytest.mark.parametrize(
    "fields", [{}, {"host": "a", "url": "http://b"}, {"url": "ftp://x"}, {"name": "A b"}]
)
def test_receivers_are_checked(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        AuditReceiverSettings(**{"name": "siem", **fields})
