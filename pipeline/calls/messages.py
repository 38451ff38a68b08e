"""What goes into a call: audio and control in one ordered stream, each in force from its own sample on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cantonese.personal import Category
from pipeline.calls.commands import CommandMessage
from pipeline.calls.info import PauseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioChunk:
    """Bytes as they came.

    Attributes:
        sequence: counts messages from 0, for each channel on its own if ``channel`` is set.
        data: whole samples.
        offset_ms: of the first sample, if the client said.
        channel: the only channel in it; None means all, interleaved.
        arrived: when it came, s, monotonic; for metrics only.
        count: messages that were put together in it.
    """

    sequence: int
    data: bytes
    offset_ms: int | None = None
    channel: int | None = None
    arrived: float = 0.0
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Stop hearing."""

    reason: PauseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Hear again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalize:
    """Close the open utterances now, of one channel or of all."""

    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig:
    """Change settings; None leaves one as it is."""

    language: str | None = None
    hotwords: tuple[str, ...] | None = None
    swap_roles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitive:
    """What is said from here on must not be read or heard, on any channel; None ends that."""

    category: Category | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtmf:
    """A key was pressed; which one is not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Keep alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    """The call is over.

    Attributes:
        reason: client, idle, limit, shutdown, lost or error.
        transferred_to: who it was handed to; None where nobody was.
    """

    reason: str = "client"
    transferred_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reconnect:
    """A new stream goes on where the old one broke: what comes from here on is its.

    Attributes:
        greet: acknowledges the new stream, once what the old one left behind was taken.
    """

    greet: Callable[[], None]


ControlMessage = Pause | Resume | Finalize | UpdateConfig | Sensitive | Dtmf | Ping
ClientMessage = AudioChunk | ControlMessage | EndCall
"""What a client may send behind StartCall."""
CallMessage = ClientMessage | Reconnect | CommandMessage
"""What a call takes: its client's messages, changes of its stream, and commands, each at its place."""
