"""Recognisers for tests of everything around one."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from asr import AsrRequest, Transcript, Word
from models import ModelError


class FakeEngine:
    """Writes one 字 for every half second of audio.

    Args:
        seconds: how long an inference takes.
        fail: raise for the n-th request and those behind it while this returns True.
    """

    name = "fake"

    def __init__(self, *, seconds: float = 0.0, failing: bool = False) -> None:
        self.seconds = seconds
        self.failing = failing
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[tuple[bool, int]] = []

    def bucket(self, request: AsrRequest) -> int:
        return len(request.pcm) // 8000 * 2 + request.final

    def transcribe(self, requests: Sequence[AsrRequest]) -> tuple[Transcript, ...]:
        assert len({self.bucket(request) for request in requests}) == 1
        self.gate.wait(timeout=30)
        time.sleep(self.seconds)
        self.batches.append((requests[0].final, len(requests)))
        if self.failing:
            raise ModelError("the fake was told to fail")
        return tuple(self._one(request) for request in requests)

    def _one(self, request: AsrRequest) -> Transcript:
        text = "".join("零一二三四五六七八九"[index % 10] for index in range(len(request.pcm) // 8000))
        step = 8000
        words = tuple(
            Word(text=char, start=i * step, end=(i + 1) * step, confidence=0.9) for i, char in enumerate(text)
        )
        return Transcript(
            text=text,
            language=request.language or "yue",
            confidence=0.9,
            no_speech=0.0,
            words=words if request.final else (),
        )


class SayingEngine(FakeEngine):
    """Recognises the same words in every utterance.

    Args:
        text: the words.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def _one(self, request: AsrRequest) -> Transcript:
        return Transcript(text=self._text, language="yue", confidence=0.9, no_speech=0.0)
