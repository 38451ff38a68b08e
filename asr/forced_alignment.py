"""Word times of a known text from a CTC head: forced alignment (Graves et al. 2006, Viterbi).

The head's scores of the text's own tokens are enough: what else a state might be weighs on all paths
alike. Against the warping of cross-attention: an eighth of its time, and closer (``python -m benchmarks
accuracy``, ``word_times``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from asr.ctc import CtcHead
from asr.wordtimes import STATE_SAMPLES, TokenTimes

SPIKE_DELAY = 3
"""States (60 ms) from a syllable's beginning to the state that the head gives it: the median of 739
syllables by voices that the bundled model was not trained on. Another head may differ by a state or two."""
IMPOSSIBLE = np.float32(-1e30)


class ForcedAligner:
    """Places tokens; thread-safe.

    Args:
        head: of the model.
    """

    def __init__(self, head: CtcHead) -> None:
        self._head = head
        self._row_of = {int(token): row for row, token in enumerate(head.tokens)}

    def place(self, states: NDArray[np.float32], tokens: Sequence[int], samples: int) -> TokenTimes | None:
        """Return when each token begins; tokens that the head does not know lie evenly between the others.

        Args:
            states: of the encoder, without those of padding, shape (states, width).
            tokens: of the text.
            samples: length of the audio.

        Returns:
            None where the head knows less than half of the tokens, or the audio has too few states or
            ones that are no numbers.
        """
        if not tokens:
            return TokenTimes([samples], [])
        known = [index for index, token in enumerate(tokens) if token in self._row_of]
        rows = [self._row_of[tokens[index]] for index in known]
        if 2 * len(known) < len(tokens) or len(states) < _fewest_states(rows):
            return None
        mixed = self._head.mixed(states)
        scores = self._scores(mixed, rows)
        if not np.isfinite(scores).all():
            return None
        spikes = _spikes(scores, rows)
        starts = [start * STATE_SAMPLES for start in _beginnings(spikes)]
        every = range(len(tokens))
        return TokenTimes(
            starts=[
                int(at)
                for at in np.interp([*every, len(tokens)], [-1, *known, len(tokens)], [0, *starts, samples])
            ],
            probabilities=[
                float(p) for p in np.interp(every, known, self._probabilities(mixed[spikes], rows))
            ],
        )

    def _scores(self, mixed: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.float32]:
        """Return each state's score of the blank (first column) and of each token."""
        chosen = [len(self._row_of), *rows]
        return np.asarray(mixed @ self._head.weight[chosen].T + self._head.bias[chosen], np.float32)

    def _probabilities(self, spikes: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.float32]:
        """Return how likely each token is in its state, if there is one at all: the blank is left out."""
        logits = spikes @ self._head.weight[:-1].T + self._head.bias[:-1]
        own = logits[np.arange(len(rows)), rows]
        with np.errstate(over="ignore"):  # of a token that is out of the question
            return np.asarray(1 / np.exp(logits - own[:, None]).sum(1), np.float32)


def _fewest_states(rows: Sequence[int]) -> int:
    """Return how many states the tokens need: between two equal ones lies a blank."""
    return len(rows) + sum(first == second for first, second in pairwise(rows))


def _spikes(scores: NDArray[np.float32], rows: Sequence[int]) -> list[int]:
    """Return the state of the best path in which each token scores highest."""
    path = _best_path(scores, rows)
    spikes = []
    for index in range(len(rows)):
        own = np.flatnonzero(path == 2 * index + 1)
        spikes.append(int(own[scores[own, index + 1].argmax()]))
    return spikes


def _best_path(scores: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.intp]:
    """Return for each state its place in: blank, first token, blank, second token, ..., blank."""
    places = 2 * len(rows) + 1
    of_place = np.zeros(places, np.intp)
    of_place[1::2] = np.arange(1, len(rows) + 1)
    emitted = scores[:, of_place]
    skips = np.full(places, IMPOSSIBLE)  # from token to token, where they differ
    skips[3::2] = [0 if a != b else IMPOSSIBLE for a, b in pairwise(rows)]
    ways = np.full((3, places), IMPOSSIBLE)
    came = np.zeros(emitted.shape, np.int8)
    best, column = np.full(places, IMPOSSIBLE), np.arange(places)
    best[:2] = emitted[0, :2]
    for state in range(1, len(emitted)):
        ways[0] = best
        ways[1, 1:] = best[:-1]
        ways[2, 2:] = best[:-2] + skips[2:]
        came[state] = ways.argmax(0)
        best = ways[came[state], column] + emitted[state]
    path = np.zeros(len(emitted), np.intp)
    path[-1] = places - 1 - int(best[-2] > best[-1])
    for state in range(len(path) - 1, 0, -1):
        path[state - 1] = path[state] - came[state, path[state]]
    return path


def _beginnings(spikes: Sequence[int]) -> list[float]:
    """Return in which state each token begins: before its spike, not nearer to the one before."""
    first = max(0, spikes[0] - SPIKE_DELAY)
    rest = [max((before + spike) / 2, spike - SPIKE_DELAY) for before, spike in pairwise(spikes)]
    return [first, *rest]
