"""Events about how something was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diarization import Role
from emotion import AgitationPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionEvent:
    """How something was said, or how agitation has changed; times in samples.

    Attributes:
        utterance_id: the utterance, if it is one.
        channel: index.
        role: who.
        start: of the speech that was judged; of the step of the curve, if none was.
        end: the same.
        quality: of the voice, 0 no opinion to 1 sure.
        arousal: 0 calm to 1 excited, None without opinion.
        valence: 0 unpleasant to 1 pleasant, None without opinion.
        probabilities: by label; empty without opinion.
        agitation: the curve, None for agents.
        score: probability in [0, 1] that the voice is agitated, before it is joined with words; None without
            opinion. Alert rules are tried on it again, see :mod:`pipeline.analysis.dry_run`.
    """

    utterance_id: str | None
    channel: int
    role: Role
    start: int
    end: int
    quality: float = 0.0
    arousal: float | None = None
    valence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    agitation: AgitationPoint | None = None
    score: float | None = None
