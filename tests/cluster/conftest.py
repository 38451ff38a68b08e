from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.recording import Nodes
from tests.record.test_postgresql import database_in


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str | None]:
    """Where nodes keep their calls, the record and its keys."""
    if request.param == "sqlite":
        return {"cluster": str(tmp_path / "cluster.db"), "store": None, "keys": str(tmp_path / "keys.db")}
    server = str(request.getfixturevalue("postgresql"))
    return {name: database_in(server) for name in ("cluster", "store", "keys")}


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def nodes(closing: ExitStack, places: dict[str, str | None], tmp_path: Path) -> Nodes:
    return Nodes(closing, places, tmp_path)
