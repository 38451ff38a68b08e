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
from pipeline.cluster.following import followed
from pipeline.cluster.store import ClusterStore
from pipeline.cluster.tables import rules
from pipeline.config import ProfileSettings
from pipeline.errors import SettingsError, YuetoneError

LOOK_S = 2.0
"""Time between two looks, s."""

_log = structlog.get_logger(__name__)


def publish(store: ClusterStore, profile: str, text: str) -> None:
    """Let all nodes take rules up; blocks."""
    store.put(rules, profile=profile, text=text, saved_at=time.time())


def published(store: ClusterStore) -> dict[str, tuple[str, float]]:
    """Return text and time, s since 1970 UTC, of what was saved last, by profile; blocks."""
    with store.engine.connect() as connection:
        return {row.profile: (row.text, row.saved_at) for row in connection.execute(sa.select(rules))}


class RulesFollower:
    """Writes what other nodes have saved into this machine's files, and lets the node read them.

    Args:
        store: store of the cluster.
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
        """Follow until cancelled; at once done where no profile names a file."""
        if not self._files:
            return
        for name, file in self._files.items():
            self._read[name] = await asyncio.to_thread(_version, file)
        async for found in followed(functools.partial(published, self._store), LOOK_S, "rules"):
            for name, (text, saved_at) in found.items():
                if name in self._files and self._read.get(name) != version_of(text):
                    await self._take(name, text, saved_at)

    async def _take(self, name: str, text: str, saved_at: float) -> None:
        """Write rules into a file, unless it is newer, and have it read."""
        file = self._files[name]
        self._read[name] = version_of(text)
        try:
            taken = await asyncio.to_thread(functools.partial(_renew, file, text, saved_at))
            await self._reload()
        except YuetoneError as error:
            _log.error("rules of all nodes cannot be used here", profile=name, reason=str(error))
            return
        if taken:
            _log.info("rules of all nodes are in force", profile=name)
        else:
            _log.warning("rules were saved on a page, but the file here is newer and stays", profile=name)


def _version(file: Path) -> str:
    try:
        return version_of(text_of(file))
    except SettingsError:
        return ""


def _renew(file: Path, text: str, saved_at: float) -> bool:
    """Write a file, unless somebody has changed it since; tell whether it holds the text then.

    Raises:
        SettingsError, InvalidRequest: it cannot be read or written.
    """
    if _version(file) == version_of(text):
        return True
    there = file.expanduser()
    if there.is_file() and there.stat().st_mtime > saved_at:
        return False
    write(file, text, _version(file))
    return True
