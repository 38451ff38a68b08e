"""Where the time of a call goes: spans for OpenTelemetry. Ids and numbers alone, nothing that anybody said.

A call is a span, and what its finals, recognitions and suggestions took are spans in it. A client that sends
``traceparent`` (W3C Trace Context) finds the call in its own trace.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Protocol

from pipeline.calls.info import CallSpec
from pipeline.errors import SettingsError
from pipeline.sections.tracing import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

Fact = int | float | bool | str
"""Strings are ids and names of settings."""
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class CallTrace(Protocol):
    """What is noted of one call."""

    def note(self, name: str, took_s: float, **facts: Fact) -> None:
        """Note something that ended now.

        Args:
            name: name of the span.
            took_s: how long it took, s.
            facts: ids and numbers about it.
        """
        ...

    def end(self, **facts: Fact) -> None:
        """Note that the call has ended."""
        ...


class Tracer(Protocol):
    """Begins traces."""

    def call(self, spec: CallSpec) -> CallTrace:
        """Return the trace of a call that begins now."""
        ...

    def close(self) -> None:
        """Send what waits; blocks for some seconds."""
        ...


class NoTrace:
    """The trace of a call that is not traced."""

    def note(self, name: str, took_s: float, **facts: Fact) -> None:
        """Do nothing."""

    def end(self, **facts: Fact) -> None:
        """Do nothing."""


NO_TRACE = NoTrace()


class NoTracer:
    """Traces nothing."""

    def call(self, spec: CallSpec) -> CallTrace:
        """Return a trace that notes nothing."""
        del spec
        return NO_TRACE

    def close(self) -> None:
        """Do nothing."""


class _OtelTrace:
    def __init__(self, provider: TracerProvider, span: Span) -> None:
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

        self._tracer, self._span = provider.get_tracer("yuetone"), span
        self._inside = set_span_in_context(span)

    def note(self, name: str, took_s: float, **facts: Fact) -> None:
        now = time.time_ns()
        span = self._tracer.start_span(
            name, self._inside, attributes=_named(facts), start_time=now - int(took_s * 1e9)
        )
        span.end(now)

    def end(self, **facts: Fact) -> None:
        self._span.set_attributes(_named(facts))
        self._span.end()


class OtelTracer:
    """Sends spans to a collector, from a thread of the library's; where it does not answer, they are dropped.

    Args:
        settings: name the collector.
        node: whose calls they are.

    Raises:
        SettingsError: the libraries are not installed.
    """

    def __init__(self, settings: TracingSettings, node: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 (optional)
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415
        except ImportError as error:
            raise SettingsError("tracing.endpoint: install 'yuetone[tracing]' first") from error
        exporter = OTLPSpanExporter(
            endpoint=settings.endpoint,
            headers={name: value.get_secret_value() for name, value in settings.headers.items()},
            timeout=3.0,
        )
        self._provider = TracerProvider(
            resource=Resource({"service.name": settings.service, "service.instance.id": node}),
            sampler=ParentBased(TraceIdRatioBased(settings.sample)),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))

    def call(self, spec: CallSpec) -> CallTrace:
        """Return the trace of a call; see :class:`Tracer`."""
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        parent = None
        if spec.traceparent is not None:
            parent = TraceContextTextMapPropagator().extract({"traceparent": spec.traceparent})
        facts: dict[str, Fact] = {
            "call_id": spec.call_id,
            "tenant": spec.info.tenant or "",
            "profile": spec.info.profile,
            "codec": spec.codec.name,
            "channels": len(spec.roles),
            "resumed": spec.resume is not None,
            "part": spec.part.epoch if spec.part is not None else 0,
        }
        span = self._provider.get_tracer("yuetone").start_span("call", parent, attributes=_named(facts))
        return _OtelTrace(self._provider, span) if span.is_recording() else NO_TRACE

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def _named(facts: dict[str, Fact]) -> dict[str, Fact]:
    return {f"yuetone.{name}": value for name, value in facts.items()}


def tracer_of(settings: TracingSettings, node: str) -> Tracer:
    """Return what traces calls.

    Args:
        settings: settings of the tracing.
        node: whose calls they are.

    Raises:
        SettingsError: the libraries are not installed.
    """
    return NoTracer() if settings.endpoint is None else OtelTracer(settings, node)
