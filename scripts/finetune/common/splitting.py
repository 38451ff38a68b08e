"""Sets without shared speakers or calls, and a test set that nobody trains on."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import read_json
from scripts.finetune.common.manifest import Manifest, Utterance

FROZEN = "frozen.json"
SETS = ("train", "dev", "test")


def groups(
    utterances: Sequence[Utterance], tied_roles: frozenset[str] | None = None
) -> list[list[Utterance]]:
    """Return the connected components of calls and speakers: what must stay in one set.

    Args:
        utterances: to group.
        tied_roles: roles whose speakers hold calls together; None means all.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for utterance in utterances:
        call = root("call " + utterance.call)
        if tied_roles is None or utterance.role in tied_roles:
            parent[call] = root("speaker " + utterance.speaker)
    found: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        found[root("call " + utterance.call)].append(utterance)
    return list(found.values())


def _seconds_by_role(utterances: Iterable[Utterance]) -> Counter[str]:
    seconds: Counter[str] = Counter()
    for utterance in utterances:
        seconds[utterance.role] += utterance.seconds  # type: ignore[assignment]
    return seconds


def split(
    utterances: Sequence[Utterance],
    shares: Mapping[str, float],
    *,
    seed: int,
    tied_roles: frozenset[str] | None = None,
) -> dict[str, list[Utterance]]:
    """Deal groups of calls and speakers to sets, largest first, to the set that lacks most of their roles.

    Args:
        utterances: of the whole manifest.
        shares: of speech by set; sums to 1.
        seed: settles ties.
        tied_roles: see :func:`groups`.

    Raises:
        FinetuneError: a set would stay empty, or be far from its share.
    """
    parts = groups(utterances, tied_roles)
    if len({utterance.call for utterance in utterances}) < 2 * len(shares):
        raise FinetuneError(f"too few calls to split; at least {2 * len(shares)} are needed")
    random.Random(seed).shuffle(parts)
    parts.sort(key=lambda part: -sum(u.seconds for u in part))
    total = _seconds_by_role(utterances)
    have: dict[str, Counter[str]] = {name: Counter() for name in shares}
    sets: dict[str, list[Utterance]] = {name: [] for name in shares}
    for part in parts:
        seconds = _seconds_by_role(part)

        def lack(name: str, seconds: Counter[str] = seconds) -> float:
            wanted = (shares[name] * total[role] - have[name][role] for role in seconds)
            return sum(wanted) / shares[name]

        name = max(shares, key=lack)
        sets[name] += part
        have[name].update(seconds)
    _refuse_lopsided(sets, shares, parts)
    return sets


def _refuse_lopsided(
    sets: Mapping[str, Sequence[Utterance]], shares: Mapping[str, float], parts: Sequence[Sequence[Utterance]]
) -> None:
    total = sum(u.seconds for members in sets.values() for u in members)
    for name, members in sets.items():
        share = sum(u.seconds for u in members) / total
        if not 0.4 * shares[name] <= share <= 2.5 * shares[name] or not members:
            biggest = max(parts, key=len)
            raise FinetuneError(
                f"set {name} would get {share:.0%} of the speech instead of {shares[name]:.0%}: calls are "
                "tied "
                f"together by shared speakers (largest group: {len({u.call for u in biggest})} calls of "
                f"{len({u.call for s in sets.values() for u in s})}); add calls of other speakers, change "
                "the shares, or let agents be in several sets with --tie customer"
            )


def frozen_record(
    test: Sequence[Utterance], manifest_sha256: str, tied_roles: frozenset[str] | None = None
) -> dict[str, Any]:
    """Return what later steps need to recognise a test utterance: hashes, calls and speakers."""
    tied = [u for u in test if u.speaker_known and (tied_roles is None or u.role in tied_roles)]
    return {
        "sha256": manifest_sha256,
        "audio": sorted(utterance.sha256 for utterance in test),
        "calls": sorted({utterance.call for utterance in test}),
        "speakers": sorted({utterance.speaker for utterance in tied}),
    }


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozen test set."""

    sha256: str
    audio: frozenset[str]
    calls: frozenset[str]
    speakers: frozenset[str]

    def holds(self, utterance: Utterance) -> bool:
        """Tell whether ``utterance``, its call or its speaker is in the test set."""
        known = utterance.speaker in self.speakers or utterance.call in self.calls
        return known or utterance.sha256 in self.audio


def read_frozen(path: Path) -> Frozen:
    """Read ``frozen.json``: the file, or the split folder that holds it.

    Raises:
        FinetuneError: there is none, or it is damaged.
    """
    record = read_json(path / FROZEN if path.is_dir() else path)
    try:
        return Frozen(
            record["sha256"],
            frozenset(record["audio"]),
            frozenset(record["calls"]),
            frozenset(record["speakers"]),
        )
    except (KeyError, TypeError) as error:
        raise FinetuneError(f"{path} is no frozen test set; make one with 'split'") from error


def refuse_frozen(training: Manifest, frozen: Frozen) -> None:
    """Refuse to learn from the test set: by audio, by call and by speaker.

    Raises:
        FinetuneError: the training set shares something with it.
    """
    audio = sum(u.sha256 in frozen.audio for u in training.utterances)
    calls = {u.call for u in training.utterances} & frozen.calls
    speakers = {u.speaker for u in training.utterances} & frozen.speakers
    if audio or calls or speakers:
        raise FinetuneError(
            f"the training set holds {audio} utterances, {len(calls)} calls and {len(speakers)} speakers of "
            "the frozen test set; split again (with --frozen to keep the same test set)"
        )


def check_frozen(test: Manifest, frozen: Frozen) -> None:
    """Refuse a test set that is not the frozen one.

    Raises:
        FinetuneError: audio or text was changed since the split.
    """
    if test.sha256 != frozen.sha256:
        raise FinetuneError("the test set was changed since it was frozen; split again or restore test.jsonl")
