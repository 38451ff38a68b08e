"""The second look in a process of its own: ``python -m diarization.worker PIPELINE``.

One JSON object a line. First it says ``{"ready": name}`` or ``{"error": reason}`` and ends. Then it reads
``{"samples": n}`` and n 16-bit mono samples at 16 kHz from standard input and answers
``{"turns": [[speaker, start, end, overlapped], ...]}`` (samples) or ``{"error": reason}``, until the end.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO, TextIO

import numpy as np

from diarization.base import DiarizationError
from diarization.second_look import PyannotePipeline

NICENESS = 10
"""Live calls come first."""


def main(source: str, requests: BinaryIO, answers: TextIO) -> int:
    """Serve until the input ends; return the exit status."""
    try:
        pipeline = PyannotePipeline(source)
    except DiarizationError as error:
        _say(answers, {"error": str(error)})
        return 1
    _say(answers, {"ready": pipeline.name})
    for line in requests:
        _say(answers, _answer(pipeline, line, requests))
    return 0


def _answer(pipeline: PyannotePipeline, line: bytes, requests: BinaryIO) -> dict[str, Any]:
    try:
        data = requests.read(2 * int(json.loads(line)["samples"]))
        pcm = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
        turns = pipeline.diarize(pcm)
    except DiarizationError as error:
        return {"error": str(error)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"error": f"not a request: {type(error).__name__}"}
    return {"turns": [[turn.speaker, turn.start, turn.end, turn.overlapped] for turn in turns]}


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    os.nice(NICENESS)
    # Libraries that print do so on standard error; standard output carries answers only.
    spoken = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.exit(main(sys.argv[1], sys.stdin.buffer, spoken))
