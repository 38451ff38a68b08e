"""Alert rules that are saved at one node reach the files of all others; for one event loop."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import sqlalchemy as sa
import structlog

from pipeline.alerts.rule_files import text_of, version_of, write
from pipeline.cluster.store import ClusterStore
from pipeline.cluster.tables import rules
from pipeline.config import ProfileSettings
from pipeline.errors import SettingsError, YuetoneError
from suggest.store.database import writing

LOOK_S = 2.0
"""Time between two looks, s."""

_log = structlog.get_logger(__name__)


def publish(store: ClusterStore, profile: str, text: str) -> None:
    """Let all nodes take rules up; blocks."""
    values = {"text": text, "saved_at": time.time()}
    with writing(store.engine) as connection:
        mine = rules.c.profile == profile
        if not connection.execute(sa.update(rules).where(mine).values(values)).rowcount:
            connection.execute(sa.insert(rules).values(profile=profile, **values))


def published(store: ClusterStore) -> dict[str, tuple[str, float]]:
    """Return text and time, s since 1970 UTC, of what was saved last, by profile; blocks."""
    with store.engine.connect() as connection:
        return {row.profile: (row.text, row.saved_at) for row in connection.execute(sa.select(rules))}


class RulesFollower:
    """Writes what other nodes have saved into this machine's files, and lets the node read them.

    Args:
        store: of the cluster.
        profiles: whose files.
        reload: reads all rules again.
    """

    def __init__(
        self,
        store: ClusterStore,
        profiles: Mapping[str, ProfileSettings],
        reload: Callable[[], Awaitable[object]],
    ) -> None:
        self._store, self._reload = store, reload
        self._files = {
            name: profile.alert_rules for name, profile in profiles.items() if profile.alert_rules is not None
        }
        self._read: dict[str, str] = {}  # version of each profile's file that this process has read

    async def run(self) -> None:
        """Follow until cancelled."""
        for name, file in self._files.items():
            self._read[name] = await asyncio.to_thread(_version, file)
        while self._files:
            await asyncio.sleep(LOOK_S)
            try:
                found = await asyncio.to_thread(published, self._store)
            except Exception as error:  # noqa: BLE001 (the database is away: its writer says so)
                _log.debug("rules could not be looked up", error=type(error).__name__)
                continue
            for name, (text, saved_at) in found.items():
                if name in self._files and self._read.get(name) != version_of(text):
                    await self._take(name, text, saved_at)

    async def _take(self, name: str, text: str, saved_at: float) -> None:
        """Write rules into a file, unless it is newer, and have it read."""
        file = self._files[name]
        try:
            await asyncio.to_thread(functools.partial(_renew, file, text, saved_at))
            await self._reload()
        except YuetoneError as error:
            _log.error("rules of all nodes cannot be used here", profile=name, reason=str(error))
        else:
            _log.info("rules of all nodes are in force", profile=name)
        self._read[name] = version_of(text)


def _version(file: Path) -> str:
    try:
        return version_of(text_of(file))
    except SettingsError:
        return ""


def _renew(file: Path, text: str, saved_at: float) -> None:
    """Write a file, unless somebody has changed it since; raises SettingsError, InvalidRequest."""
    there = file.expanduser()
    newer = there.is_file() and there.stat().st_mtime > saved_at
    if not newer and _version(file) != version_of(text):
        write(file, text, _version(file))
