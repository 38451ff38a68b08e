"""Counting errors in what a recogniser wrote: characters, mixed tokens, digits and terms, by group."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from cantonese.characters import fold_variants, is_han
from cantonese.reading import reading_form
from cantonese.scoring import scoring_form
from scripts.finetune.common.manifest import Utterance
from scripts.finetune.common.statistics import Rate, error_rate

_MIXED = re.compile(r"[a-z]+(?:['-][a-z]+)*|\d|[^\W\d_a-z]")
_DIGITS = re.compile(r"\d{3,}")
MIN_GROUP_CHARACTERS = 300
"""Smaller groups are counted together: their rates are chance."""
OTHERS = "(small groups)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One utterance as one model wrote it.

    Attributes:
        utterance: what was said.
        text: what was written.
        errors: character edits after the shared normaliser.
        units: reference characters.
        mixed_errors: edits of mixed tokens.
        mixed_units: reference tokens.
    """

    utterance: Utterance
    text: str
    errors: int
    units: int
    mixed_errors: int
    mixed_units: int


def mixed_tokens(text: str) -> list[str]:
    """Return Chinese characters, digits, and Latin words in lower case: the units of the mixed error rate."""
    return _MIXED.findall(fold_variants(reading_form(text)).lower())


def score(utterances: Sequence[Utterance], texts: Sequence[str]) -> list[Scored]:
    """Count the errors of each utterance."""
    out = []
    for utterance, text in zip(utterances, texts, strict=True):
        reference, tokens = scoring_form(utterance.text), mixed_tokens(utterance.text)
        out.append(
            Scored(
                utterance=utterance,
                text=text,
                errors=Levenshtein.distance(reference, scoring_form(text)),
                units=len(reference),
                mixed_errors=Levenshtein.distance(tokens, mixed_tokens(text)),
                mixed_units=len(tokens),
            )
        )
    return out


def cer(scored: Sequence[Scored]) -> Rate:
    """Return the character error rate with its interval."""
    return error_rate(
        [s.utterance.call for s in scored], [s.errors for s in scored], [s.units for s in scored]
    )


def mer(scored: Sequence[Scored]) -> Rate:
    """Return the mixed error rate with its interval."""
    return error_rate(
        [s.utterance.call for s in scored], [s.mixed_errors for s in scored], [s.mixed_units for s in scored]
    )


def noise_level(utterance: Utterance) -> str:
    """Return ``quiet``, ``medium`` or ``noisy``."""
    return (
        "quiet (25 dB and more)"
        if utterance.snr_db >= 25
        else "medium"
        if utterance.snr_db >= 15
        else "noisy (below 15 dB)"
    )


def switching(utterance: Utterance) -> str:
    """Tell code-switching from plain Cantonese and from English."""
    latin = any(char.isascii() and char.isalpha() for char in utterance.text)
    han = any(map(is_han, utterance.text))
    return "Cantonese with English" if latin and han else "English" if latin else "Cantonese only"


GROUPINGS: dict[str, Callable[[Utterance], str]] = {
    "role": lambda utterance: utterance.role,
    "speaker": lambda utterance: utterance.speaker,
    "noise": noise_level,
    "language": switching,
}


def group_names(utterances: Sequence[Utterance], key: Callable[[Utterance], str]) -> list[str]:
    """Return the group of each utterance, small groups pooled."""
    sizes: dict[str, int] = {}
    for utterance in utterances:
        sizes[key(utterance)] = sizes.get(key(utterance), 0) + len(scoring_form(utterance.text))
    return [key(u) if sizes[key(u)] >= MIN_GROUP_CHARACTERS else OTHERS for u in utterances]


def by_group(scored: Sequence[Scored], names: Sequence[str]) -> dict[str, Rate]:
    """Return the character error rate of each group."""
    return {
        name: cer([s for s, own in zip(scored, names, strict=True) if own == name])
        for name in sorted(set(names))
    }


def digit_accuracy(scored: Sequence[Scored]) -> dict[str, float]:
    """Return how many digit strings of three or more were written without an error."""
    wanted = [
        (run, scoring_form(s.text)) for s in scored for run in _DIGITS.findall(scoring_form(s.utterance.text))
    ]
    return _share([run in text for run, text in wanted])


def term_accuracy(scored: Sequence[Scored], terms: Sequence[str]) -> dict[str, float]:
    """Return how many of the ``terms`` that were said were written."""
    forms = [form for term in terms if (form := scoring_form(term))]
    hits = []
    for s in scored:
        reference, text = scoring_form(s.utterance.text), scoring_form(s.text)
        hits += [form in text for form in forms if form in reference]
    return _share(hits)


def _share(hits: Sequence[bool]) -> dict[str, float]:
    return {"right": sum(hits), "of": len(hits), "share": round(sum(hits) / max(1, len(hits)), 4)}
