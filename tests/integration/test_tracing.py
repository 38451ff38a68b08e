"""Traces as a collector gets them: times, ids and numbers of calls, nothing that was said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.fakes.engines import FakeEngine
from tests.integration.helpers import (
    chunks,
    demo_bytes,
    end,
    finals,
    running,
    settings,
    start,
    still_works,
    talk,
)

pytestmark = pytest.mark.integration
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(HTTPServer):
    """A collector of OpenTelemetry.

    Attributes:
        bodies: bodies of all requests.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def spans(self) -> list[Any]:
        found = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [span for scope in resource.scope_spans for span in scope.spans]
        return found


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        collector: Any = self.server
        collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args: object) -> None: ...


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{collector.server_port}/v1/traces"
    finally:
        collector.shutdown()
        collector.server_close()
        thread.join()


def facts(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


async def test_a_call_is_a_trace_without_a_word_of_it() -> None:
    with collecting() as (collector, endpoint):
        async with running(settings(tracing={"endpoint": endpoint, "sample": 1.0}), FakeEngine()) as run:
            messages = await talk(run, [start("traced"), *chunks(demo_bytes(12)), end()])
        spans = collector.spans
    said = finals(messages)
    assert said
    by_name: dict[str, list[Any]] = {}
    for span in spans:
        by_name.setdefault(span.name, []).append(span)
    (call,) = by_name["call"]
    assert facts(call)["yuetone.call_id"] == "traced"
    assert facts(call)["yuetone.reason"] == "client"
    assert len(by_name["final"]) == len(said)
    assert len(by_name["recognise"]) >= len(said)
    for span in (*by_name["final"], *by_name["recognise"]):
        assert (span.trace_id, span.parent_span_id) == (call.trace_id, call.span_id)
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    whole = b"".join(collector.bodies)
    assert not any(final.text.encode() in whole for final in said)


async def test_a_call_is_found_in_the_trace_of_its_telephony() -> None:
    with collecting() as (collector, endpoint):
        async with running(settings(tracing={"endpoint": endpoint, "sample": 0.0}), FakeEngine()) as run:
            for name, parent in (("mine", f"00-{TRACE}-{SPAN}-01"), ("nonsense", "00-x-y-01")):
                call = run.stub.StreamCall(metadata=(("traceparent", parent),))
                for request in (start(name), end()):
                    await call.write(request)
                await call.done_writing()
                assert [message async for message in call][-1].ended.reason == "client"
        spans = collector.spans
    assert [(span.name, span.trace_id.hex(), span.parent_span_id.hex()) for span in spans] == [
        ("call", TRACE, SPAN)
    ], "of calls that nobody traces, none is sampled"


async def test_a_collector_that_is_away_delays_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with running(settings(tracing={"endpoint": "http://127.0.0.1:9/v1/traces", "sample": 1.0})) as run:
        await still_works(run)
    assert "Traceback" not in caplog.text


def test_an_endpoint_is_an_address() -> None:
    with pytest.raises(Exception, match="not an http or https address"):
        settings(tracing={"endpoint": "collector:4318"})
