"""Which calls are judged. Pure."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable


def judged_twice(calls: Iterable[str], *, share: float, seed: int) -> list[str]:
    """Return calls that a second person judges too: a share of them, rounded down.

    Args:
        calls: record ids of those that were drawn.
        share: 0 to 1.
        seed: of the draw; the same seed draws the same calls.
    """
    names = sorted(calls)
    return random.Random(f"{seed}|twice").sample(names, math.floor(round(len(names) * share, 6)))


def drawn(calls: Iterable[tuple[str, str]], *, share: float, least: int, seed: int) -> list[str]:
    """Return calls drawn at random, agent by agent; the same seed draws the same calls.

    Args:
        calls: record id and agent of each; those of nobody are one agent's.
        share: of an agent's calls, 0 to 1.
        least: calls of an agent, where there are so many.
        seed: of the draw.
    """
    by_agent: dict[str, list[str]] = defaultdict(list)
    for record_id, agent in calls:
        by_agent[agent].append(record_id)
    found: list[str] = []
    for agent, names in sorted(by_agent.items()):
        wanted = math.ceil(round(len(names) * share, 6))  # 0.07 of 100 is a little more than 7 in binary
        count = min(len(names), max(least, wanted))
        found += random.Random(f"{seed}|{agent}").sample(sorted(names), count)
    return found
