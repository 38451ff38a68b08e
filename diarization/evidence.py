"""Agent or customer? Evidence from what a voice says and from who speaks first.

Everything is a sum of log odds, so that a verdict comes with a probability and no single phrase decides.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from diarization.base import DiarizationError
from diarization.roles import Role

FILE = Path(__file__).with_name("evidence.toml")
FIRST_VOICE = 0.8
"""Log odds that who speaks first is the agent: a hotline answers with a greeting."""
MOST_OF_ONE = 5.0
"""One utterance cannot say more than this."""
TOTAL = 12.0
"""Nor all of them; who was wrong for a while must be able to be put right."""
KEPT = 256
"""Utterances of which single odds are remembered; those before are a sum."""
SWAP_ODDS = 3.0
"""Twenty to one that two channels are wired the wrong way round."""
_MARKS = re.compile(r"[\s，。？！、：；,.?!:;「」…]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePhrases:
    """Patterns with their weights; positive ones are an agent's.

    Attributes:
        weighted: pattern and log odds.
    """

    weighted: tuple[tuple[re.Pattern[str], float], ...]

    def weigh(self, text: str) -> float:
        """Return the log odds that an agent says ``text``."""
        plain = _MARKS.sub(" ", text.lower()).strip()
        plain = re.sub(r"(?<![a-z0-9]) | (?![a-z0-9])", "", plain)
        found = sum(weight for pattern, weight in self.weighted if pattern.search(plain))
        return max(-MOST_OF_ONE, min(MOST_OF_ONE, found))


def read_phrases(extra: tuple[Path, ...] = ()) -> RolePhrases:
    """Return the built-in phrases and those of further files.

    Raises:
        DiarizationError: a file cannot be read or says something else.
    """
    weighted: list[tuple[re.Pattern[str], float]] = []
    for path in (FILE, *extra):
        try:
            declared = tomllib.loads(path.expanduser().read_text("utf-8"))
            weighted += [
                pair for side, groups in declared.items() for group in groups for pair in _group(side, group)
            ]
        except OSError as error:
            raise DiarizationError(f"{path} cannot be read") from error
        except (ValueError, TypeError, KeyError, AttributeError, re.error) as error:
            reason = f"{error.args[0]!r} missing" if isinstance(error, KeyError) else error
            raise DiarizationError(f"{path}: {reason}") from error
    return RolePhrases(weighted=tuple(weighted))


def _group(side: str, group: Mapping[str, object]) -> Iterable[tuple[re.Pattern[str], float]]:
    if side not in ("agent", "customer"):
        raise ValueError(f"unknown table {side!r}; there are agent and customer")
    weight, patterns = group["weight"], group["patterns"]
    if not isinstance(weight, int | float) or not isinstance(patterns, list):
        raise TypeError("weight must be a number and patterns a list")
    if (weight > 0) != (side == "agent") or abs(weight) > MOST_OF_ONE:
        raise ValueError(f"{side}: weight {weight} has the wrong sign or is beyond {MOST_OF_ONE:g}")
    return [(re.compile(str(pattern)), float(weight)) for pattern in patterns]


class RoleEvidence:
    """What the voices of one call have said so far, voices being labels or channels.

    Args:
        phrases: to look for.
        first_voice: log odds for whoever speaks first; 0 where nothing is known of that.
    """

    def __init__(self, phrases: RolePhrases, first_voice: float = FIRST_VOICE) -> None:
        self._phrases = phrases
        self._first_voice = first_voice
        self._said: dict[str, tuple[tuple[str, float], ...]] = {}
        self._old: dict[str, float] = {}
        self._first: str | None = None

    def fresh(self) -> RoleEvidence:
        """Return the same without anything said yet."""
        return RoleEvidence(self._phrases, self._first_voice)

    def put(self, utterance: str, said: Mapping[str, str]) -> None:
        """Count what each voice says in an utterance, in place of what was counted for it before."""
        weighed = {voice: self._phrases.weigh(text) for voice, text in said.items() if voice}
        if self._first is None and weighed:
            self._first = utterance
        if utterance == self._first and weighed:
            weighed[next(iter(weighed))] += self._first_voice
        self._said[utterance] = tuple(weighed.items())
        while len(self._said) > KEPT:
            for voice, odds in self._said.pop(next(iter(self._said))):
                self._old[voice] = _limited(self._old.get(voice, 0.0) + odds)

    def odds(self) -> dict[str, float]:
        """Return the log odds of every voice to be an agent."""
        total = dict(self._old)
        for said in self._said.values():
            for voice, odds in said:
                total[voice] = _limited(total.get(voice, 0.0) + odds)
        return total

    def roles(self, least: float = 0.6, leave: str = "") -> dict[str, tuple[Role, float]]:
        """Return role and probability of every voice; unknown below ``least``.

        Names that begin with ``leave`` are left out, if that is given.

        Of two or more voices, the two that say most for and most against being an agent decide together:
        what one says against itself speaks for the other.
        """
        said = {voice: odds for voice, odds in self.odds().items() if not (leave and voice.startswith(leave))}
        names = sorted(said, key=lambda voice: -said[voice])
        found = {}
        for voice in names:
            odds = said[voice]
            if len(names) > 1 and voice in (names[0], names[-1]):
                odds = (said[names[0]] - said[names[-1]]) * (1 if voice == names[0] else -1)
            chance = 1 / (1 + math.exp(-odds))
            sure = max(chance, 1 - chance)
            role = Role.AGENT if chance >= 0.5 else Role.CUSTOMER
            found[voice] = (role if sure >= least else Role.UNKNOWN, sure)
        return found


def _limited(odds: float) -> float:
    return max(-TOTAL, min(TOTAL, odds))


def swapped(agent: float, customer: float, least: float = SWAP_ODDS) -> bool:
    """Tell whether two channels are wired the wrong way round.

    Args:
        agent: log odds of the channel that should be the agent's.
        customer: those of the other one.
        least: by how much they must contradict the wiring.
    """
    return customer - agent >= least
