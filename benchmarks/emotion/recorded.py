"""Readings kept from a first pass, so that a search over fusion settings need not compute them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emotion import EmotionEngine, EmotionStream, VoiceReading, VoiceWindow
from vad import VadEngine, VadStream


class RecordedEngine:
    """An :class:`emotion.base.EmotionEngine` that remembers what another one said of the same windows.

    Args:
        engine: the other one.
    """

    def __init__(self, engine: EmotionEngine) -> None:
        self._engine = engine
        self.known: dict[bytes, VoiceReading] = {}

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._engine.name

    @property
    def enabled(self) -> bool:
        """Whether voices are judged at all."""
        return self._engine.enabled

    @property
    def wants_states(self) -> bool:
        """Do what the wrapped detector does, with what was recorded."""
        return self._engine.wants_states

    def stream(self) -> EmotionStream:
        """Return the state for one speaker."""
        return _RecordedStream(self, self._engine.stream())


class _RecordedStream:
    def __init__(self, owner: RecordedEngine, stream: EmotionStream) -> None:
        self._owner = owner
        self._stream = stream
        self._history = hashlib.sha256()  # a reading depends on the windows before it

    def read(self, window: VoiceWindow) -> VoiceReading:
        self._history.update(window.pcm.tobytes())
        key = self._history.digest()
        if key not in self._owner.known:
            self._owner.known[key] = self._stream.read(window)
        return self._owner.known[key]


class RecordedVad:
    """The same for a voice detector.

    Args:
        vad: the other one.
    """

    def __init__(self, vad: VadEngine) -> None:
        self._vad = vad
        self.known: dict[bytes, list[float]] = {}

    def stream(self) -> VadStream:
        """Return the state for one channel."""
        return _RecordedVadStream(self, self._vad.stream())

    def accept(self, parts: Sequence[tuple[VadStream, NDArray[np.float32]]]) -> list[list[float]]:
        """Take audio of many channels, one after the other: what is known needs no company."""
        return [stream.accept(pcm) for stream, pcm in parts]


class _RecordedVadStream:
    def __init__(self, owner: RecordedVad, stream: VadStream) -> None:
        self._owner = owner
        self._stream = stream
        self._history = hashlib.sha256()

    def accept(self, pcm: NDArray[np.float32]) -> list[float]:
        self._history.update(pcm.tobytes())
        key = self._history.digest()
        if key not in self._owner.known:
            self._owner.known[key] = self._stream.accept(pcm)
        return self._owner.known[key]
