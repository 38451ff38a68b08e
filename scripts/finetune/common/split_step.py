"""The step ``split``: a manifest into train, dev and a frozen test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, write_json
from scripts.finetune.common.manifest import Manifest, Utterance, move_manifest, read_manifest, write_manifest
from scripts.finetune.common.splitting import FROZEN, SETS, check_frozen, frozen_record, read_frozen, split


def parse_shares(text: str) -> dict[str, float]:
    """Read ``80,10,10`` as shares of train, dev and test.

    Raises:
        FinetuneError: not three positive numbers.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != len(SETS) or not all(0 < n < 1e6 for n in numbers):
        raise FinetuneError(
            f"--shares {text}: three positive numbers for train, dev and test, such as 80,10,10"
        )
    return {name: number / sum(numbers) for name, number in zip(SETS, numbers, strict=True)}


def describe(sets: Mapping[str, Sequence[Utterance]]) -> dict[str, Any]:
    """Return calls, speakers and hours by role of each set."""
    return {
        name: {
            "utterances": len(members),
            "calls": len({u.call for u in members}),
            "speakers": len({u.speaker for u in members}),
            "hours": {
                role: round(sum(u.seconds for u in members if u.role == role) / 3600, 3)
                for role in sorted({u.role for u in members})
            },
        }
        for name, members in sets.items()
    }


def deal_sets(
    prepared: Path, shares: Mapping[str, float], *, seed: int, frozen: Path | None, tie: str
) -> tuple[dict[str, list[Utterance]], frozenset[str] | None, Manifest]:
    """Return the sets, the roles that tie calls together, and the manifest.

    Raises:
        FinetuneError: the sets cannot be made.
    """
    manifest = read_manifest(prepared)
    tied = None if tie == "all" else frozenset({tie})
    if frozen is None:
        return split(manifest.utterances, shares, seed=seed, tied_roles=tied), tied, manifest
    record, test = read_frozen(frozen), read_manifest(frozen / "test.jsonl")
    check_frozen(test, record)
    rest = [utterance for utterance in manifest.utterances if not record.holds(utterance)]
    total = shares["train"] + shares["dev"]
    sets = split(rest, {name: shares[name] / total for name in ("train", "dev")}, seed=seed, tied_roles=tied)
    return {**sets, "test": move_manifest(test, manifest.folder)}, tied, manifest


def make_split(
    prepared: Path, out: Path, shares: Mapping[str, float], *, seed: int, frozen: Path | None, tie: str
) -> dict[str, Any]:
    """Do the whole step; return what each set holds.

    Raises:
        FinetuneError: the sets cannot be made, or ``out`` exists.
    """
    sets, tied, manifest = deal_sets(prepared, shares, seed=seed, frozen=frozen, tie=tie)
    settings = {
        "manifest": manifest.sha256,
        "shares": dict(shares),
        "seed": seed,
        "tie": tie,
        "frozen": frozen,
    }
    with building(out, settings) as folder:
        for name, members in sets.items():
            moved = move_manifest(Manifest(manifest.folder, members), out)
            write_manifest(folder / f"{name}.jsonl", moved)
        test = Manifest(out, sets["test"])
        write_json(folder / FROZEN, frozen_record(sets["test"], test.sha256, tied))
        summary = describe(sets)
        write_json(folder / "summary.json", summary)
    return summary
