"""LocalAgreement: the prefix that two hypotheses in a row share will most likely stay.

Source: Liu et al. 2020 (LocalAgreement-2), as used for Whisper by Macháček et al. 2023. Pure.
"""

from __future__ import annotations


def common_prefix(first: str, second: str) -> int:
    """Return the number of leading characters that two texts share."""
    for index, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return index
    return min(len(first), len(second))


class LocalAgreement:
    """Follows the hypotheses of one utterance."""

    def __init__(self) -> None:
        self._previous = ""

    def update(self, hypothesis: str) -> float:
        """Take the next hypothesis; return its stability.

        Returns:
            Share of its characters that agree with the one before, in [0, 1]; 0.0 for the first one.
        """
        stable = common_prefix(self._previous, hypothesis)
        self._previous = hypothesis
        return stable / len(hypothesis) if hypothesis else 0.0
