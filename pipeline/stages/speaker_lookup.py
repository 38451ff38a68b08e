"""Where the stage that transcribes asks who spoke; it waits a moment, and never for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from asr import Word
from diarization import Role, SpeakerTurn
from diarization.assign import main_speaker, word_speakers
from diarization.turns import default_speaker

KEPT = 32
"""Answers that nobody has asked for yet; the oldest goes."""
PATIENCE_S = 0.3
"""Longest wait for an answer; it then comes as an attribution behind the final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceAnswer:
    """Who speaks in an utterance, as far as is known when its final goes out.

    Attributes:
        turns: of voices.
        roles: of their labels.
    """

    turns: tuple[SpeakerTurn, ...]
    roles: dict[str, Role]


def who_said(
    words: Sequence[Word], answer: VoiceAnswer | None, channel: int, role: Role
) -> tuple[str | None, tuple[str, ...]]:
    """Return who says most of an utterance, and each word, as far as that is known now.

    Args:
        words: of the final, positions in samples of the call.
        answer: of the board; None if nobody was asked or there is none yet.
        channel: index.
        role: of the channel.
    """
    if answer is None:
        return (None if role is Role.UNKNOWN else default_speaker(channel)), ()
    labels = word_speakers([(word.start, word.end) for word in words], answer.turns)
    return main_speaker(answer.turns, labels) or None, labels


class SpeakerLookup:
    """Answers by channel and first sample of the utterance; for one event loop.

    Attributes:
        asked_for: channels of which voices are told apart before finals go out.
        open: whether anybody answers.
    """

    def __init__(self) -> None:
        self.asked_for: set[int] = set()
        self.open = False
        self._answers: dict[tuple[int, int], VoiceAnswer] = {}  # bounded by KEPT
        self._changed = asyncio.Event()

    def answer(self, channel: int, start: int, answer: VoiceAnswer) -> None:
        """Say who speaks in an utterance."""
        self._answers[channel, start] = answer
        while len(self._answers) > KEPT:
            self._answers.pop(next(iter(self._answers)))
        self._changed.set()
        self._changed = asyncio.Event()

    async def ask(self, channel: int, start: int) -> VoiceAnswer | None:
        """Return who speaks in an utterance; None if that is not known in time."""
        if not self.open or channel not in self.asked_for:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (channel, start) not in self._answers:
                    await self._changed.wait()
        except TimeoutError:
            return None
        return self._answers.pop((channel, start))
