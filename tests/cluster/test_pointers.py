"""A model that is shared reaches every machine, whole, or changes nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from models import ModelError
from models.promotion import (
    Promotions,
    promoted_directory,
    promoted_folder,
    read_promotions,
    write_promotions,
)
from models.sharing import SharedModel, digest_of, install, is_served
from pipeline.cli import app
from pipeline.cluster import pointers
from pipeline.cluster.pointers import PointerFollower, point, pointed
from pipeline.cluster.store import ClusterStore
from pipeline.cluster.tables import pointers as table

KIND = "recogniser"


def made(folder: Path, weights: bytes = b"weights") -> Path:
    (folder / "more").mkdir(parents=True)
    (folder / "model.bin").write_bytes(weights)
    (folder / "more/vocabulary.json").write_text("{}")
    return folder


def shared(source: Path) -> SharedModel:
    return SharedModel(kind=KIND, name=source.name, digest=digest_of(source), source=str(source))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ClusterStore]:
    where = str(tmp_path / "cluster.db") if request.param == "sqlite" else None
    made_store = ClusterStore(where or str(request.getfixturevalue("postgresql")), "one")
    with made_store.engine.begin() as connection:
        connection.execute(sa.delete(table))
    yield made_store
    made_store.close()


@asynccontextmanager
async def following(store: ClusterStore, models: Path) -> AsyncIterator[list[str]]:
    read: list[str] = []

    def reload() -> None:
        read.append(str(promoted_directory(models)))

    task = asyncio.create_task(PointerFollower(store, models, reload).run())
    await asyncio.sleep(0.1)
    try:
        yield read
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(read: list[str], count: int) -> None:
    async with asyncio.timeout(10):
        while len(read) < count:
            await asyncio.sleep(0.02)


async def test_every_machine_serves_what_is_pointed_at(
    store: ClusterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointers, "LOOK_S", 0.05)
    first, second = shared(made(tmp_path / "ours-1")), shared(made(tmp_path / "ours-2", b"better"))
    one, two = tmp_path / "one", tmp_path / "two"
    async with following(store, one) as at_one, following(store, two) as at_two:
        for count, model in enumerate((first, second), 1):
            point(store, model)
            await until(at_one, count)
            await until(at_two, count)
        await asyncio.sleep(0.3)
    assert [Path(path).name for path in at_one] == [first.folder, second.folder], "each is read once"
    assert digest_of(promoted_folder(two, KIND) / second.folder) == second.digest
    assert [model.digest for model in pointed(store)] == [second.digest], "one of a kind"


async def test_what_is_another_model_than_promised_changes_nothing(
    store: ClusterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointers, "LOOK_S", 0.05)
    source = made(tmp_path / "ours")
    model = shared(source)
    (source / "model.bin").write_bytes(b"spoiled")
    models = tmp_path / "models"
    async with following(store, models) as read:
        point(store, model)
        await asyncio.sleep(0.4)
    assert not read
    assert promoted_directory(models) is None
    left = [path.name for path in promoted_folder(models, KIND).iterdir()]
    assert left == [".lock"], "nothing half-copied is left"


async def test_a_second_node_of_a_machine_reads_it_too(
    store: ClusterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointers, "LOOK_S", 0.05)
    model, models = shared(made(tmp_path / "ours")), tmp_path / "models"
    async with following(store, models) as first, following(store, models) as second:
        point(store, model)
        await until(first, 1)
        await until(second, 1)
    assert read_promotions(models).stack == [model.folder]


def test_a_source_that_is_gone_is_an_error(tmp_path: Path) -> None:
    source = made(tmp_path / "ours")
    model = shared(source)
    shutil.rmtree(source)
    with pytest.raises(ModelError, match="cannot be copied"):
        install(model, tmp_path / "models")
    assert not is_served(model, tmp_path / "models")


def test_the_command_points_at_what_is_promoted(tmp_path: Path) -> None:
    models, url = tmp_path / "models", tmp_path / "cluster.db"
    made(promoted_folder(models, KIND) / "ours")
    config = tmp_path / "yuetone.toml"
    config.write_text(f'[asr]\nmodels_dir = "{models}"\n[cluster]\nurl = "{url}"\n')
    run = CliRunner()
    assert "no recogniser model was promoted" in str(
        run.invoke(app, ["models", "share", "-c", str(config)]).exception
    )
    write_promotions(models, Promotions(stack=["ours"]))
    told = run.invoke(app, ["models", "share", "-c", str(config)])
    assert told.exit_code == 0, told.output
    store = ClusterStore(str(url), "one")
    assert [model.name for model in pointed(store)] == ["ours"]
    assert is_served(pointed(store)[0], models), "here it is there already"
    store.close()
    other = made(tmp_path / "other", b"else")
    wrong = run.invoke(app, ["models", "share", "-c", str(config), "--from", str(other)])
    assert "sha256 differs" in str(wrong.exception)
    assert "no kind of model" in str(run.invoke(app, ["models", "share", "x", "-c", str(config)]).exception)
