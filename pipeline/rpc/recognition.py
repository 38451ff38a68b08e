"""Between recognition and its messages on the wire; pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr import AsrRequest, Transcript, Word
from asr.base import SAMPLE_RATE
from pipeline.errors import InvalidRequest
from yuetone.v1 import recogniser_service_pb2 as pb

LONGEST_S = 30.0
"""Longest audio of a request, s: Whisper's window."""
LARGEST_BYTES = int(2 * SAMPLE_RATE * LONGEST_S) + 1_048_576
"""Largest message: the longest audio, and hotwords."""
SERVICE = pb.DESCRIPTOR.services_by_name["RecogniserService"].full_name
SECRET = "yuetone-recogniser"  # noqa: S105 (a name)
"""Metadata that carries ``asr.remote_secret``."""
MOST_HOTWORDS, LONGEST_HOTWORD = 1_000, 200
_FULL_SCALE = 32_767.0


def to_request(request: AsrRequest) -> pb.RecogniseRequest:
    """Return a request as a message; its audio as 16-bit samples, which is what telephones give."""
    scaled: NDArray[np.float32] = np.clip(request.pcm, -1.0, 1.0) * np.float32(_FULL_SCALE)
    return pb.RecogniseRequest(
        pcm=np.rint(scaled).astype("<i2").tobytes(),
        final=request.final,
        language=request.language,
        hotwords=request.hotwords,
        states=request.states,
    )


def from_request(message: pb.RecogniseRequest) -> AsrRequest:
    """Return what a message asks for.

    Raises:
        InvalidRequest: it is not within the limits.
    """
    if not message.pcm or len(message.pcm) % 2:
        raise InvalidRequest("pcm: 16-bit samples, at least one")
    if len(message.pcm) > 2 * LONGEST_S * SAMPLE_RATE:
        raise InvalidRequest(f"pcm: {LONGEST_S:.0f} s of 16 kHz at most")
    if len(message.hotwords) > MOST_HOTWORDS or any(len(word) > LONGEST_HOTWORD for word in message.hotwords):
        raise InvalidRequest(f"hotwords: {MOST_HOTWORDS} of {LONGEST_HOTWORD} characters at most")
    return AsrRequest(
        pcm=np.frombuffer(message.pcm, "<i2").astype(np.float32) / np.float32(_FULL_SCALE),
        final=message.final,
        language=message.language if message.HasField("language") else None,
        hotwords=tuple(message.hotwords),
        states=message.states,
    )


def to_response(transcript: Transcript, waited_s: float, load: pb.RecogniserLoad) -> pb.RecogniseResponse:
    """Return what was recognised as a message."""
    return pb.RecogniseResponse(
        text=transcript.text,
        language=transcript.language,
        confidence=transcript.confidence,
        no_speech=transcript.no_speech,
        words=[
            pb.RecognisedWord(text=word.text, start=word.start, end=word.end, confidence=word.confidence)
            for word in transcript.words
        ],
        rejected=transcript.rejected,
        states=b"" if transcript.states is None else transcript.states.astype("<f4").tobytes(),
        waited_ms=waited_s * 1_000,
        load=load,
    )


def from_response(message: pb.RecogniseResponse) -> Transcript:
    """Return what a message says was recognised."""
    return Transcript(
        text=message.text,
        language=message.language,
        confidence=message.confidence,
        no_speech=message.no_speech,
        words=tuple(
            Word(text=word.text, start=word.start, end=word.end, confidence=word.confidence)
            for word in message.words
        ),
        rejected=message.rejected if message.HasField("rejected") else None,
        states=np.frombuffer(message.states, "<f4").astype(np.float32) if message.states else None,
    )
