"""The encoder's states of an utterance as one vector, for models that read them (vocal emotion)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from asr.base import AsrRequest, Transcript
from asr.wordtimes import STATE_SAMPLES


def with_states(
    states: ctranslate2.StorageView, requests: Sequence[AsrRequest], results: Sequence[Transcript]
) -> list[Transcript]:
    """Return the results, those whose request wants them with pooled states.

    Args:
        states: of the encoder, shape (batch, states, width).
        requests: of the batch.
        results: one for each.
    """
    if not any(request.states for request in requests):
        return list(results)
    values = on_host(states)
    return [
        replace(result, states=pooled(values[index], len(request.pcm))) if request.states else result
        for index, (request, result) in enumerate(zip(requests, results, strict=True))
    ]


def on_host(states: ctranslate2.StorageView) -> NDArray[np.float32]:
    """Return the encoder's output as an array, shape (batch, states, width), wherever it was computed."""
    host = states.to(ctranslate2.DataType.float32)
    if host.device != "cpu":
        host = host.to_device(ctranslate2.Device.cpu)
    return np.array(host)


def own_states(samples: int, states: int) -> int:
    """Return how many of an utterance's states are of its audio, not of padding."""
    return max(1, min(states, samples // STATE_SAMPLES))


def pooled(states: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Return mean and deviation over the states of the audio itself, padding left out, shape (2 * width,).

    Args:
        states: of one utterance, shape (states, width).
        samples: of its audio.
    """
    own = states[: own_states(samples, len(states))]
    return np.concatenate([own.mean(axis=0), own.std(axis=0)]).astype(np.float32)
