"""Training data without people in it: their utterances are left out, and silent in the shard. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cantonese.personal import SECRETS, Category, dialogue_spans
from scripts.finetune.common.manifest import SAMPLE_RATE, Utterance, pcm_sha256
from scripts.finetune.corpus.transcripts import BadLine

PAD = SAMPLE_RATE // 5
"""Samples around an utterance that are silenced with it."""
_EVERYWHERE = SECRETS | {Category.CARD}


class Personal(StrEnum):
    """What becomes of utterances with personal data."""

    LEAVE_OUT = "leave-out"
    KEEP = "keep"


def kinds_of(utterances: Iterable[Utterance]) -> dict[str, list[str]]:
    """Return the kinds of personal data in each utterance, by its id; those without any are not in it.

    What was asked for is looked for in the answer, and a number over several utterances: both in the
    transcript and in what the model heard.
    """
    ordered = sorted(utterances, key=lambda utterance: (utterance.call, utterance.start))
    found: dict[str, set[Category]] = {}
    for texts in (lambda u: u.text, lambda u: u.heard):
        for call in dict.fromkeys(utterance.call for utterance in ordered):
            turns = [utterance for utterance in ordered if utterance.call == call]
            spans = dialogue_spans([(turn.role, texts(turn)) for turn in turns])
            for turn, of_turn in zip(turns, spans, strict=True):
                if of_turn:
                    found.setdefault(turn.id, set()).update(span.category for span in of_turn)
    return {name: [kind.value for kind in Category if kind in kinds] for name, kinds in found.items()}


def without_people(
    audio: NDArray[np.float32], utterances: Sequence[Utterance]
) -> tuple[NDArray[np.float32], list[Utterance], list[BadLine]]:
    """Return a call's audio with personal utterances silent, the others, and why those are left out.

    Args:
        audio: float32 at 16 kHz, shape (samples, channels).
        utterances: of the call.
    """
    kinds = kinds_of(utterances)
    silent = audio.copy()
    for utterance in utterances:
        if utterance.id in kinds:
            _silence(silent, utterance, kinds)
    kept = [
        utterance.model_copy(
            update={"sha256": pcm_sha256(silent[utterance.start : utterance.end, utterance.channel])}
        )
        for utterance in utterances
        if utterance.id not in kinds
    ]
    left_out = [
        BadLine(utterance.source, f"personal data ({', '.join(kinds[utterance.id])})")
        for utterance in utterances
        if utterance.id in kinds
    ]
    return silent, kept, left_out


def _silence(audio: NDArray[np.float32], utterance: Utterance, kinds: Mapping[str, Sequence[str]]) -> None:
    everywhere = any(Category(kind) in _EVERYWHERE for kind in kinds[utterance.id])
    channels = slice(None) if everywhere else utterance.channel
    audio[max(0, utterance.start - PAD) : utterance.end + PAD, channels] = 0.0
