"""Commit and trim: what two readings agree on is not read again; a long utterance costs no more. Pure.

The readings need word times, as a CTC head gives them; the rule is LocalAgreement (:mod:`asr.agreement`).
"""

from __future__ import annotations

from collections.abc import Sequence

from asr.agreement import common_prefix
from asr.base import SAMPLE_RATE, Word

READ_AGAIN = SAMPLE_RATE * 5 // 4
"""Newest audio (1.25 s) that is never committed: words at the edge still change."""
WORTH_TRIMMING = 2 * SAMPLE_RATE
"""Shorter windows are left as they are."""
LEAD = SAMPLE_RATE * 2 // 5
"""Audio (0.4 s) read again before the first uncommitted word, whose beginning must be heard."""


class Committed:
    """What is settled of an open utterance.

    Args:
        start: its first sample.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._until = start  # words that begin before this sample are settled
        self._text = ""
        self._previous: tuple[str, ...] = ()

    @property
    def window_start(self) -> int:
        """First sample that the next reading needs."""
        return max(self._start, self._until - LEAD)

    def take(self, words: Sequence[Word], window: tuple[int, int]) -> str:
        """Take a reading; return the text of the whole utterance so far, verbatim.

        Args:
            words: of the window, times from its start.
            window: first sample, and behind the last one.
        """
        fresh = [(written(word.text), word.start + window[0]) for word in words]
        fresh = [(text, at) for text, at in fresh if at >= self._until]
        text = self._text + "".join(piece for piece, _at in fresh)
        self._commit(fresh, window)
        return text

    def _commit(self, fresh: list[tuple[str, int]], window: tuple[int, int]) -> None:
        pieces = tuple(piece for piece, _at in fresh)
        agreed = _agreed(self._previous, pieces)
        self._previous = pieces
        if window[1] - self._until < WORTH_TRIMMING:
            return
        # Between two words, in the longest pause of those that are old enough and agreed.
        last = window[1] - READ_AGAIN
        cuts = [(fresh[i][1] - fresh[i - 1][1], i) for i in range(1, agreed) if fresh[i][1] < last]
        if not cuts:
            return
        _pause, cut = max(cuts)
        self._text += "".join(pieces[:cut])
        self._until = (fresh[cut - 1][1] + fresh[cut][1]) // 2
        self._previous = pieces[cut:]


def _agreed(before: tuple[str, ...], now: tuple[str, ...]) -> int:
    """Return how many pieces at the start are the same."""
    count, first, second = 0, "".join(before), "".join(now)
    same = common_prefix(first, second)
    for piece in now:
        same -= len(piece)
        if same < 0:
            break
        count += 1
    return count


def written(word: str) -> str:
    """Return a word as verbatim text writes it: a Latin one behind a space."""
    return f" {word}" if word[:1].isascii() and word[:1].isalpha() else word
