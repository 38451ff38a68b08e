"""What calls know of the recogniser, wherever it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from asr import AsrRequest, Transcript
from pipeline.inference.admission import CallCost


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What calls are told about the recogniser.

    Attributes:
        name: name of the model.
        languages: Whisper codes that it is meant for; empty if it does not say.
    """

    name: str
    languages: tuple[str, ...] = ()


class Recogniser(Protocol):
    """Recognises utterances for all calls of a server; for one event loop."""

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        ...

    @property
    def model(self) -> ServedModel:
        """The model in use, or the one that is being loaded at the start."""
        ...

    @property
    def measures(self) -> bool:
        """Whether the cost of a call is known, or will be."""
        ...

    @property
    def cost(self) -> CallCost | None:
        """What a call costs this machine; None where that is not known yet."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        ...

    def load(self, *, finals_only: bool = False) -> float:
        """Return the share of the last seconds that the recogniser was busy, in [0, 1]."""
        ...

    def predicted_wait_s(self, calls: int, lag_s: float) -> float:
        """Return how long finals would wait with one call more, s; see :mod:`pipeline.inference.admission`.

        Args:
            calls: live now.
            lag_s: how far the event loop is behind, s.
        """
        ...

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            ModelError: the model cannot be loaded.
        """
        ...

    async def final(self, request: AsrRequest) -> Transcript:
        """Transcribe a complete utterance; waits its turn.

        Raises:
            ModelError: the model failed on this request.
        """
        ...

    def partial(self, key: str, request: AsrRequest) -> asyncio.Future[Transcript | None]:
        """Ask for a partial; its result is None if a newer one of the same ``key`` took its place."""
        ...

    def drop_partial(self, key: str) -> None:
        """Forget the waiting partial of ``key``, if there is one."""
        ...
