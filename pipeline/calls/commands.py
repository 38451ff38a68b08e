"""What others ask of a live call; a command takes effect at its place in the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cantonese.personal import Category
from pipeline.calls.events.alerts import AlertEvent
from suggest.base import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAlert:
    """An alert of the call was acknowledged, or nobody took it in time; answered with None.

    Attributes:
        event: the alert in its new state.
    """

    event: AlertEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseArticle:
    """The agent does not want to see an article in this call; answered with None.

    Attributes:
        article: tenant and id.
    """

    article: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReplyLanguage:
    """Stay with a language for replies, or follow the customer again; answered with the language in use.

    Attributes:
        language: None follows the customer.
    """

    language: Language | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSensitive:
    """Hide what is said from here on, or end that; answered with the sample from which it is so.

    Attributes:
        category: what is being said; None ends it.
    """

    category: Category | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapRoles:
    """Exchange the roles of the two channels from here on; answered with None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishCall:
    """End the call behind what was received so far; answered with None.

    Attributes:
        reason: for Ended: client, idle, limit, shutdown, lost or error.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepNow:
    """Hand the sound that may be kept to the record now, however little it is; answered with None."""


Command = CloseAlert | RefuseArticle | SetReplyLanguage | SetSensitive | SwapRoles | FinishCall | KeepNow


class Reply(Protocol):
    """Where the answer to a command goes; an ``asyncio.Future`` is one."""

    def done(self) -> bool:
        """Tell whether nobody waits any more."""
        ...

    def set_result(self, result: object, /) -> None:
        """Give the answer."""
        ...

    def set_exception(self, exception: type | BaseException, /) -> None:
        """Refuse, with a CallError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommandMessage:
    """A command at its place in the stream, and where its answer goes."""

    command: Command
    reply: Reply

    def answer(self, result: object = None) -> None:
        """Answer, unless nobody waits any more."""
        if not self.reply.done():
            self.reply.set_result(result)

    def refuse(self, error: Exception) -> None:
        """Refuse, unless nobody waits any more."""
        if not self.reply.done():
            self.reply.set_exception(error)
