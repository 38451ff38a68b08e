"""Nodes in one process that share a database, and a call that goes from one to the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pipeline.config import Settings
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import Running, running, settings

SECRET = "a secret of nodes and gateways"  # noqa: S105 (of a test)


def node_settings(url: str | Path, name: str, **sections: Any) -> Settings:
    cluster = {
        "url": str(url), "node": name, "address": f"unix:/nowhere/{name}", "secret": SECRET,
        "beat_ms": 10, **sections.pop("cluster", {}),
    }  # fmt: skip
    return settings(cluster=cluster, **sections)


@asynccontextmanager
async def two_nodes(
    url: str | Path, engine: type[FakeEngine], *given: Any, **sections: Any
) -> AsyncIterator[tuple[Running, Running]]:
    """Run two nodes over one database."""
    async with (
        running(node_settings(url, "one", **sections), engine(*given)) as one,
        running(node_settings(url, "two", **sections), engine(*given)) as two,
    ):
        yield one, two
