"""Which models all nodes serve: the pointers in the database, and a node that follows them."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
import structlog

from models import ModelError
from models.promotion import KINDS, read_promotions
from models.sharing import SharedModel, install, is_served
from pipeline.cluster.following import followed
from pipeline.cluster.store import ClusterStore
from pipeline.cluster.tables import pointers

LOOK_S = 2.0
"""Time between two looks at the pointers, s."""
AGAIN_S = 30.0
"""Time until a model that could not be installed is tried again, s."""

_log = structlog.get_logger(__name__)


def point(store: ClusterStore, model: SharedModel) -> None:
    """Let all nodes serve a model; blocks."""
    store.put(
        pointers,
        kind=model.kind,
        name=model.name,
        digest=model.digest,
        source=model.source,
        set_at=time.time(),
    )


def pointed(store: ClusterStore) -> list[SharedModel]:
    """Return the models that all nodes shall serve, one of a kind at most; blocks."""
    with store.engine.connect() as connection:
        rows = connection.execute(sa.select(pointers).order_by(pointers.c.kind)).all()
    return [SharedModel(kind=row.kind, name=row.name, digest=row.digest, source=row.source) for row in rows]


class PointerFollower:
    """Installs what the pointers name, and lets the node read its models again; for one event loop.

    Args:
        store: store of the cluster.
        models: folder of installed models of this machine.
        reload: reads models again.
    """

    def __init__(self, store: ClusterStore, models: Path, reload: Callable[[], None]) -> None:
        self._store, self._models, self._reload = store, models, reload
        self._served: dict[str, str] = {}  # kind -> digest
        self._loaded: dict[str, str | None] = {}  # kind -> what this process has read, as far as it matters
        self._failed: dict[str, float] = {}  # digest -> when, s, monotonic

    async def run(self) -> None:
        """Follow the pointers until cancelled."""
        self._loaded = {kind: await asyncio.to_thread(self._promoted, kind) for kind in KINDS}
        async for found in followed(functools.partial(pointed, self._store), LOOK_S, "models"):
            for model in filter(self._is_new, found):
                await self._take(model)

    def _promoted(self, kind: str) -> str | None:
        """Return the name of the promoted model of a kind; None without one, or where that cannot be read."""
        try:
            return next(reversed(read_promotions(self._models, kind).stack), None)
        except ModelError:
            return None

    def _is_new(self, model: SharedModel) -> bool:
        failed = self._failed.get(model.digest, -AGAIN_S)
        return self._served.get(model.kind) != model.digest and time.monotonic() - failed >= AGAIN_S

    async def _take(self, model: SharedModel) -> None:
        """Install a model, if it is not the one that is served."""
        try:
            if not await asyncio.to_thread(is_served, model, self._models):
                await asyncio.to_thread(functools.partial(install, model, self._models))
                _log.info("model of all nodes installed", kind=model.kind, name=model.folder)
            now = await asyncio.to_thread(self._promoted, model.kind)
            if now != self._loaded.get(model.kind):  # installed here, or by another node of this machine
                self._loaded[model.kind] = now
                self._reload()
        except ModelError as error:
            self._failed[model.digest] = time.monotonic()
            _log.error("a model of all nodes cannot be used here", kind=model.kind, reason=str(error))
            return
        self._served[model.kind] = model.digest
