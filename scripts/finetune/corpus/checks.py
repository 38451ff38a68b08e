"""What can be wrong with prepared data: pure checks over the manifest, each with a verdict and a list."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rapidfuzz.distance import Levenshtein

from cantonese.characters import is_han
from cantonese.scoring import scoring_form
from scripts.finetune.common.manifest import Utterance
from scripts.finetune.corpus.personal import kinds_of
from scripts.finetune.corpus.wording import is_mandarin

Level = Literal["ok", "warning", "failure"]
MIN_RECORDINGS = 500
IMPLAUSIBLE_CER = 0.8
NOTHING_PRIVATE = "no names, numbers or addresses of people were found"
NEIGHBOURS = 5
"""Neighbours in sorted order that each text is compared with (Hernández and Stolfo 1995)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check.

    Attributes:
        name: of the check.
        level: its verdict.
        detail: one line with the figures and, unless all is well, what to do.
        items: utterances to look at: id and reason, never the text itself.
    """

    name: str
    level: Level
    detail: str
    items: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What the checks look at.

    Attributes:
        utterances: of the manifest.
        recordings: rows of ``recordings.jsonl``.
        rejects: rows of ``rejects.jsonl``.
        notes: rows of ``notes.jsonl``.
        unreadable: shards that are missing or damaged.
        token_count: tokens that the current model needs for a character.
        allow_fewer: do not insist on :data:`MIN_RECORDINGS`.
    """

    utterances: Sequence[Utterance]
    recordings: Sequence[Mapping[str, Any]]
    rejects: Sequence[Mapping[str, str]]
    notes: Sequence[Mapping[str, str]]
    unreadable: Sequence[str]
    token_count: Callable[[str], int]
    allow_fewer: bool


def run_checks(data: Data) -> list[Finding]:
    """Return every finding, in the order of a report."""
    return [check(data) for check in _CHECKS]


def _graded(
    name: str, share: float, warn: float, fail: float, detail: str, items: Sequence[Any] = ()
) -> Finding:
    level: Level = "failure" if share > fail else "warning" if share > warn else "ok"
    return Finding(name=name, level=level, detail=detail, items=tuple(items))


def _enough(data: Data) -> Finding:
    count = len({u.call for u in data.utterances})
    name = "enough recordings"
    if count >= MIN_RECORDINGS:
        return Finding(name=name, level="ok", detail=f"{count} usable recordings")
    if data.allow_fewer:
        return Finding(
            name=name,
            level="warning",
            detail=f"ONLY {count} USABLE RECORDINGS, {MIN_RECORDINGS} are advised: the test set will be too "
            "small to trust and the model may learn these speakers by heart",
        )
    detail = (
        f"{count} usable recordings, at least {MIN_RECORDINGS} are needed; add some, or give --allow-fewer"
    )
    return Finding(name=name, level="failure", detail=detail)


def _speakers(data: Data) -> Finding:
    unknown = {u.role for u in data.utterances if not u.speaker_known}
    known = len({u.speaker for u in data.utterances if u.speaker_known})
    if not unknown:
        return Finding(name="speakers", level="ok", detail=f"{known} speakers, all named")
    return Finding(
        name="speakers",
        level="warning",
        detail=f"{known} named speakers; nobody says who the {' and '.join(sorted(unknown))} is in some "
        "calls: the same voice may come to lie in training and test; add a speaker column",
    )


def _rejected(data: Data) -> Finding:
    share = len(data.rejects) / max(1, len(data.rejects) + len(data.utterances))
    return _graded(
        "rejects",
        share,
        0.15,
        0.5,
        f"{len(data.rejects)} pieces left out ({share:.0%}); rejects.jsonl says why",
    )


def _shards(data: Data) -> Finding:
    bad = [(name, "missing or damaged") for name in data.unreadable]
    return _graded("audio", float(len(bad)), 0.0, 0.0, f"{len(bad)} shards are missing or damaged", bad)


def _clipping(data: Data) -> Finding:
    bad = [
        (str(r["source"]), f"{r['clipped']:.1%} of samples") for r in data.recordings if r["clipped"] > 0.01
    ]
    share = len(bad) / max(1, len(data.recordings))
    return _graded(
        "clipping", share, 0.0, 0.5, f"{len(bad)} recordings with more than 1 % clipped samples", bad
    )


def _silence(data: Data) -> Finding:
    speech: Counter[str] = Counter()
    for u in data.utterances:
        speech[u.call] += u.seconds  # type: ignore[assignment]
    bad = [
        (str(r["source"]), f"{speech[str(r['call'])]:.1f} s of speech in {r['seconds']:.0f} s")
        for r in data.recordings
        if speech[str(r["call"])] < 0.1 * float(r["seconds"])
    ]
    share = len(bad) / max(1, len(data.recordings))
    return _graded(
        "silence", share, 0.02, 0.5, f"{len(bad)} recordings with less than a tenth of usable speech", bad
    )


def _sample_rates(data: Data) -> Finding:
    rates = Counter(int(r["sample_rate"]) for r in data.recordings)
    text = ", ".join(f"{count} at {rate} Hz" for rate, count in rates.most_common())
    low = any(rate < 8000 for rate in rates)
    return Finding(name="sample rates", level="warning" if low else "ok", detail=text)


def _same_audio(data: Data) -> Finding:
    seen: dict[str, str] = {}
    bad = []
    for u in data.utterances:
        if u.sha256 in seen:
            bad.append((u.id, f"same audio as {seen[u.sha256]}"))
        seen.setdefault(u.sha256, u.id)
    share = len(bad) / max(1, len(data.utterances))
    return _graded(
        "duplicate audio", share, 0.0, 0.05, f"{len(bad)} utterances occur twice; remove the copies", bad
    )


def near_duplicates(utterances: Sequence[Utterance], limit: float = 0.92) -> dict[str, str]:
    """Return utterances of 12 or more characters whose text is almost that of another call: id to id."""
    forms = [(scoring_form(u.text), u) for u in utterances]
    forms = [(form, u) for form, u in forms if len(form) >= 12]
    found: dict[str, str] = {}
    for key in (lambda pair: pair[0], lambda pair: pair[0][::-1]):
        ranked = sorted(forms, key=key)
        for index, (form, u) in enumerate(ranked):
            for other, v in ranked[index + 1 : index + 1 + NEIGHBOURS]:
                if v.call != u.call and Levenshtein.normalized_similarity(form, other, score_cutoff=limit):
                    found.setdefault(v.id, u.id)
    return found


def _same_text(data: Data) -> Finding:
    found = near_duplicates(data.utterances)
    share = len(found) / max(1, len(data.utterances))
    detail = f"{len(found)} long utterances ({share:.0%}) are almost the same as one of another call"
    if share > 0.3:
        detail += "; scripted sentences make the test set easier than real calls"
    return _graded(
        "near-duplicate text", share, 0.3, 0.8, detail, [(a, f"like {b}") for a, b in found.items()]
    )


def _vocabulary(data: Data) -> Finding:
    counts = Counter(char for u in data.utterances for char in u.text if is_han(char))
    rare = {char: n for char, n in counts.items() if data.token_count(char) > 1}
    total = sum(counts.values())
    share = sum(rare.values()) / max(1, total)
    shown = " ".join(f"{char}×{n}" for char, n in Counter(rare).most_common(20))
    detail = (
        f"{len(rare)} characters are not single tokens of the current model ({share:.2%} of the text) {shown}"
    )
    return _graded("vocabulary", share, 0.01, 0.2, detail.strip())


def _simplified(data: Data) -> Finding:
    notes = [(n["source"], f"simplified: {n['detail']}") for n in data.notes if n["kind"] == "simplified"]
    return Finding(
        name="simplified characters",
        level="warning" if notes else "ok",
        detail=f"{len(notes)} lines were written in simplified characters; they were converted, look at them",
        items=tuple(notes),
    )


def _mandarin(data: Data) -> Finding:
    bad = [(u.id, "Mandarin or written Chinese") for u in data.utterances if is_mandarin(u.text)]
    share = len(bad) / max(1, len(data.utterances))
    detail = (
        f"{len(bad)} utterances ({share:.1%}) read like Mandarin or written Chinese, not like what was said"
    )
    return _graded("Cantonese wording", share, 0.02, 0.3, detail, bad)


def _private(data: Data) -> Finding:
    bad = [(name, ", ".join(kinds)) for name, kinds in kinds_of(data.utterances).items()]
    counts = Counter(kind for _, kinds in bad for kind in kinds.split(", "))
    text = ", ".join(f"{count} {kind}" for kind, count in counts.most_common()) or NOTHING_PRIVATE
    return Finding(
        name="personal data",
        level="warning" if bad else "ok",
        detail=f"in the texts: {text}; review.csv lists them" if bad else text,
        items=tuple(bad),
    )


def _implausible(data: Data) -> Finding:
    bad = []
    for u in data.utterances:
        reference = scoring_form(u.text)
        cer = Levenshtein.distance(reference, scoring_form(u.heard)) / max(1, len(reference))
        if cer > IMPLAUSIBLE_CER:
            bad.append((u.id, f"CER {cer:.0%} against the current model"))
    share = len(bad) / max(1, len(data.utterances))
    detail = f"{len(bad)} transcripts ({share:.0%}) that the current model finds implausible (CER above 80 %)"
    return _graded("plausible transcripts", share, 0.1, 0.5, detail, bad)


_CHECKS: tuple[Callable[[Data], Finding], ...] = (
    _enough, _shards, _speakers, _rejected, _sample_rates, _clipping, _silence, _same_audio, _same_text,
    _vocabulary, _simplified, _mandarin, _private, _implausible,
)  # fmt: skip


def hours(utterances: Sequence[Utterance], key: Callable[[Utterance], str]) -> dict[str, float]:
    """Return hours of speech by ``key``."""
    out: dict[str, float] = defaultdict(float)
    for utterance in utterances:
        out[key(utterance)] += utterance.seconds / 3600
    return dict(out)
