"""Within the first stage: two channels that hear each other, or that are the same."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diarization.crosstalk import Crosstalk
from pipeline.calls.events import ChannelFinding, FindingKind
from pipeline.calls.info import SAMPLE_RATE
from pipeline.stages.context import CallContext
from pipeline.stages.speaker_lookup import SpeakerLookup

Pcm = NDArray[np.float32]

ECHO_SHARE = 0.7
"""Share of an utterance's loud part from which it is the other channel's speech."""
LOOK_EVERY = 2 * SAMPLE_RATE


class EchoWatch(Protocol):
    """What the stages ask about channels that hear each other."""

    @property
    def identical(self) -> bool:
        """Whether both channels carry the same."""
        ...

    def hear(self, channel: int, pcm: Pcm) -> Pcm:
        """Take audio of a channel, in order; return what is to be heard of it."""
        ...

    def is_echo(self, channel: int, start: int, end: int) -> bool:
        """Tell whether an utterance of ``channel`` is the other channel's, heard again."""
        ...


class NoEcho:
    """An :class:`EchoWatch` for calls of one channel, and where nobody wants to know."""

    identical = False

    def hear(self, channel: int, pcm: Pcm) -> Pcm:
        """Return the audio as it is."""
        return pcm

    def is_echo(self, channel: int, start: int, end: int) -> bool:
        """Tell that it is not."""
        return False


class ChannelWatch:
    """An :class:`EchoWatch` that silences what a channel repeats of the other one, and says so once.

    Args:
        context: of a call with two channels.
        lookup: is told where voices must be told apart because channels do not do so.
        correct: whether to silence anything.
    """

    def __init__(self, context: CallContext, lookup: SpeakerLookup, *, correct: bool) -> None:
        self._context, self._lookup, self._correct = context, lookup, correct
        self._crosstalk = Crosstalk()
        self._told: set[int] = set()
        self._heard = 0
        self.identical = False

    def hear(self, channel: int, pcm: Pcm) -> Pcm:
        """Take audio of a channel, in order; return what is to be heard of it."""
        cleaned = self._crosstalk.hear(channel, pcm)
        self._tell_echo(channel)
        self._look_whether_identical(len(pcm))
        if not self._correct:
            return pcm
        return np.zeros_like(pcm) if self.identical and channel else cleaned

    def is_echo(self, channel: int, start: int, end: int) -> bool:
        """Tell whether an utterance of ``channel`` is the other one's, heard again."""
        if not self._correct:
            return False
        if self.identical:
            return channel > 0
        return self._crosstalk.echo_share(channel, start, end) >= ECHO_SHARE

    def _tell_echo(self, channel: int) -> None:
        path = self._crosstalk.path(channel)
        if path is None or channel in self._told or self.identical:
            return
        self._told.add(channel)
        self._context.output.emit(
            ChannelFinding(
                kind=FindingKind.ECHO,
                channel=channel,
                corrected=self._correct,
                delay=path.delay,
                gain_db=path.gain_db,
            )
        )

    def _look_whether_identical(self, samples: int) -> None:
        """Look from time to time; an announcement on both channels must not silence one of them for good."""
        before = self._heard // LOOK_EVERY
        self._heard += samples
        if self._heard // LOOK_EVERY == before:
            return
        if self.identical:
            if self._crosstalk.identical(seconds=6.0, least_s=1.0) is False:
                self._differ()
        elif self._crosstalk.identical():
            self._are_same()

    def _are_same(self) -> None:
        self.identical = True
        if self._correct:
            self._context.roles.forget()
            self._lookup.asked_for.add(0)
        self._context.output.emit(
            ChannelFinding(kind=FindingKind.IDENTICAL, channel=1, corrected=self._correct)
        )

    def _differ(self) -> None:
        self.identical = False
        if self._correct:
            self._context.roles.restore()
            self._lookup.asked_for.discard(0)
