"""What can be exchanged while the server runs: models, rules, phrases, tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Reloadable(Protocol):
    """Something that is read from disk and may be read again."""

    @property
    def name(self) -> str:
        """What it is, for people: ``emotion model``."""
        ...

    async def reload(self) -> str:
        """Read it again, off the event loop; return what is in force now, '' where there is nothing to say.

        Raises:
            SettingsError, ModelError: it cannot be used; the old one stays.
        """
        ...


class Reloaded(Generic[T]):
    """A value that calls take when they begin; live ones keep what they began with.

    Args:
        name: what it is, for people.
        build: reads it; may block.
        describe: says what a value is, in a word.

    Attributes:
        value: in force for calls that begin now.

    Raises:
        SettingsError, ModelError: of ``build``.
    """

    def __init__(
        self, name: str, build: Callable[[], T], describe: Callable[[T], str] = lambda _value: ""
    ) -> None:
        self._name = name
        self._build = build
        self._describe = describe
        self.value = build()

    @property
    def name(self) -> str:
        """What it is."""
        return self._name

    async def reload(self) -> str:
        """Read it again, beside the old one; see :class:`Reloadable`."""
        self.value = await asyncio.get_running_loop().run_in_executor(None, self._build)
        return self._describe(self.value)
