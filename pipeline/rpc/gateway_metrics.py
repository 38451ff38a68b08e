"""What a gateway counts, and where Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_BUCKETS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0)


class GatewayMetrics:
    """One registry for each gateway."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        self.calls = Gauge("yuetone_gateway_calls", "Streams of calls in progress", registry=registry)
        self.waiting = Gauge(
            "yuetone_gateway_calls_without_node", "Calls that no node has at this moment", registry=registry
        )
        self.nodes = Gauge("yuetone_gateway_nodes", "Nodes that seem to be alive", registry=registry)
        self.refused = Counter(
            "yuetone_gateway_refused",
            "Calls that no node takes, or that ended with an error, by status",
            ["status"],
            registry=registry,
        )
        self.moved = Histogram(
            "yuetone_gateway_moved_seconds",
            "From the loss of a node until another one goes on with its call",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.lost = Counter(
            "yuetone_gateway_calls_lost", "Calls that no other node went on with in time", registry=registry
        )

    def follow_nodes(self, count: Callable[[], int]) -> None:
        """Ask how many nodes are alive whenever the metrics are read, from the thread that reads them."""
        self.nodes.set_function(lambda: float(count()))

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count a stream of a call while it is carried."""
        self.calls.inc()
        try:
            yield
        finally:
            self.calls.dec()

    @contextmanager
    def without_node(self) -> Iterator[None]:
        """Count a call while no node has it, and how long that took; where none comes, it is lost."""
        began = time.monotonic()
        self.waiting.inc()
        try:
            yield
        except Exception:
            self.lost.inc()
            raise
        else:
            self.moved.observe(time.monotonic() - began)
        finally:
            self.waiting.dec()
