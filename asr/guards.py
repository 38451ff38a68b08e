"""Guards against text that nobody said. Pure functions of a hypothesis.

Whisper writes subtitle boilerplate over silence and noise, and loops; see Koenecke et al. 2024
("Careless Whisper") and openai/whisper ``transcribe.py`` for the classic thresholds.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cantonese.spoken import syllables, without_marks

MIN_SAMPLES = 1600
"""0.1 s at 16 kHz: nobody says anything shorter."""
QUIET_RMS = 10 ** (-66 / 20)
"""-66 dBFS: below the idle noise of G.711; nobody speaks there."""

# What training data taught public Whisper models to write when nobody speaks.
BOILERPLATE = re.compile(
    r"字幕(由|製作|提供|組|志願者|校對)|(多謝|感謝|謝謝)(大家)?(觀看|收看|收睇|觀賞|您的觀看)|請(不吝)?(點贊|點讚|訂閱)"
    r"|訂閱我的頻道|明鏡與點點|Amara\.?org|優優獨播劇場|中文字幕|下(集|期)(再見|待續)|小鈴鐺"
    r"|thanks?\s+(you\s+)?for\s+watching|subtitles?\s+by|please\s+subscribe|[\[(（【](music|音樂|applause|掌聲)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """Thresholds.

    Attributes:
        no_speech: above this, together with a low log-probability, nothing was said.
        log_probability: mean token log-probability below which a text is not believed.
        compression: zlib ratio of the text's bytes above which it is a loop.
        syllables_per_second: more than anybody speaks (fast Cantonese has 7 to 8).
    """

    no_speech: float = 0.6
    log_probability: float = -1.5
    compression: float = 2.4
    syllables_per_second: float = 14.0


def inaudible(pcm: NDArray[np.float32]) -> str | None:
    """Return why there cannot be speech in ``pcm`` (float32 at 16 kHz), or None."""
    if len(pcm) < MIN_SAMPLES:
        return "too_short"
    return "silent" if float(np.sqrt(np.mean(pcm**2))) < QUIET_RMS else None


def token_cap(seconds: float) -> int:
    """Return how many tokens an utterance may have: twice what a fast speaker needs, and a little."""
    return int(2 * (6.5 * seconds + 2)) + 4


def compression_ratio(text: str) -> float:
    """Return how well ``text`` compresses; loops compress well."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def rejection(
    text: str, *, seconds: float, log_probability: float, no_speech: float, settings: GuardSettings
) -> str | None:
    """Return why ``text`` is not believed, or None.

    Args:
        text: verbatim hypothesis.
        seconds: length of the audio.
        log_probability: mean over tokens, natural logarithm.
        no_speech: probability in [0, 1].
        settings: thresholds.
    """
    bare = without_marks(text).strip()
    if not bare:
        return None
    if BOILERPLATE.search(bare):
        return "boilerplate"
    checks = (
        ("no_speech", no_speech > settings.no_speech and log_probability < -0.7),
        ("log_probability", log_probability < settings.log_probability),
        ("repetition", len(bare) > 12 and compression_ratio(bare) > settings.compression),
        ("too_fast", len(bare) > 4 and syllables(bare) / max(seconds, 0.1) > settings.syllables_per_second),
    )
    return next((reason for reason, holds in checks if holds), None)
