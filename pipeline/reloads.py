"""The parts of a server that cannot read themselves again: its recogniser, and whom it believes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipeline.access.authenticator import Authenticator
from pipeline.config import Settings
from pipeline.engines import asr_factory, find_model
from pipeline.inference.recogniser import ServedModel
from pipeline.inference.scheduler import AsrScheduler
from pipeline.inference.shares import Shares


class RecogniserReload:
    """The recogniser as something that can be exchanged behind live calls.

    Args:
        settings: name the model.
        scheduler: serves it.
    """

    name = "model"

    def __init__(self, settings: Settings, scheduler: AsrScheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler

    async def reload(self) -> str:
        """Look for the model again and load it; see :class:`pipeline.reloading.Reloadable`."""
        directory = find_model(self._settings)
        model = ServedModel(directory.name, directory.languages)
        await self._scheduler.reload(asr_factory(self._settings, directory), model)
        return directory.name


class AccessReload:
    """Whom a server believes, and what companies have of it, as something that can be read again.

    Args:
        reread: reads the settings; None where they come from nowhere.
        authenticator: takes them.
        shares: takes them.
    """

    name = "access settings"

    def __init__(
        self, reread: Callable[[], Settings] | None, authenticator: Authenticator, shares: Shares
    ) -> None:
        self._reread = reread
        self._authenticator = authenticator
        self._shares = shares

    async def reload(self) -> str:
        """Read the settings again; see :class:`pipeline.reloading.Reloadable`."""
        if self._reread is None:
            return ""
        fresh = await asyncio.to_thread(self._reread)
        self._authenticator.take(fresh.access)
        self._shares.take(fresh.tenants)
        return f"{len(fresh.access.issuers)} issuers, {len(fresh.access.certificates)} certificates"
