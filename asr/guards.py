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

from asr.loops import loop_start
from cantonese.spoken import syllables, without_marks

MIN_SAMPLES = 1600
"""0.1 s at 16 kHz: nobody says anything shorter."""
QUIET_RMS = 10 ** (-66 / 20)
"""-66 dBFS: below the idle noise of G.711; nobody speaks there."""

# What training data taught public Whisper models to write when nobody speaks: subtitles of television and of
# channels that live on subscriptions, in Cantonese, Mandarin and English.
BOILERPLATE = re.compile(
    r"字幕(由|製作|提供|組|志願者|校對|by)|(多謝|感謝|謝謝)(你|您|大家|各位)?(嘅|的)?(觀看|收看|收睇|觀賞|收聽)"
    r"|請(不吝)?(點贊|點讚|訂閱)|訂閱(我|本)?(的|嘅)?(個)?頻道|明鏡(與|与|同)點點|Amara\.?org|優優獨播劇場"
    r"|YoYo Television|中文字幕|下(集|期)(再見|待續)|小鈴鐺|作詞.{0,6}作曲|詞曲.{0,8}編曲|本(集|節目)(完|由)"
    r"|欄目.{0,4}打賞|MING ?PAO (CANADA|TORONTO)|Zither Harp"
    r"|thanks?\s+(you\s+)?((so|very)\s+much\s+)?for\s+(watching|listening|viewing)|subtitle[sd]\s+by"
    r"|(please|like and|don't forget to)\s+subscribe|see\s+you\s+(in\s+the\s+)?next\s+(video|time)"
    r"|transcri(bed|ption)\s+by|[\[(（【♪](music|音樂|applause|掌聲|laughter|笑聲)|^♪",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """Thresholds.

    Attributes:
        no_speech: above this, together with a low log-probability, nothing was said.
        log_probability: mean token log-probability below which a text is not believed.
        loops: reject texts that repeat themselves more often than people do (:mod:`asr.loops`).
        compression: zlib ratio of the text's bytes above which it is a loop.
        syllables_per_second: more than anybody speaks (fast Cantonese has 7 to 8).
        known_language: probability that the model hears one of its own languages, below which its text is not
            believed. Of 195 utterances in Malayalam, German and Amharic 91 % are below it with whisper-base,
            of 77 in Cantonese and English 1 % ("python -m benchmarks nothing", "real").
        doubt: mean token log-probability below which a language must be three times as probable.
    """

    no_speech: float = 0.6
    log_probability: float = -2.0
    loops: bool = True
    compression: float = 2.4
    syllables_per_second: float = 14.0
    known_language: float = 0.08
    doubt: float = -1.2


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


def foreign(probability: float, log_probability: float, settings: GuardSettings) -> bool:
    """Tell whether speech is of none of the model's languages.

    Args:
        probability: of all of the model's languages together.
        log_probability: of the text, mean over tokens.
        settings: thresholds.
    """
    doubtful = log_probability < settings.doubt
    return probability < settings.known_language * (3 if doubtful else 1)


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
        ("no_speech", no_speech > settings.no_speech and log_probability < -1.0),
        ("log_probability", log_probability < settings.log_probability),
        ("repetition", settings.loops and loop_start(bare) is not None),
        ("repetition", len(bare) > 12 and compression_ratio(bare) > settings.compression),
        ("too_fast", len(bare) > 4 and syllables(bare) / max(seconds, 0.1) > settings.syllables_per_second),
    )
    return next((reason for reason, holds in checks if holds), None)
