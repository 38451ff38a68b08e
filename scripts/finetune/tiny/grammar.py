"""A small weighted grammar that writes customer-service sentences.

The rules live in ``texts/service.grammar``; figures come from :mod:`scripts.finetune.corpus.spoken_numbers`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

from cantonese.numerals import spoken_numeral
from scripts.finetune.corpus import spoken_numbers as nz

GRAMMAR_FILE = Path(__file__).with_name("texts") / "service.grammar"
_REFERENCE = re.compile(r"\{([^{}]+)\}")

_GENERATORS: dict[str, Callable[[random.Random], str]] = {
    "time": nz.time_of_day,
    "time_bare": nz.clock,
    "date": nz.date,
    "birthdate": nz.birth_date,
    "duration": nz.duration,
    "money": nz.money,
    "phone": nz.phone,
    "code": nz.code,
    "hkid": nz.hkid,
    "email": nz.email,
}


class Grammar:
    """Expands rules at random; the same seed gives the same sentences.

    Args:
        rules: alternatives by rule name.

    Raises:
        ValueError: a rule refers to a name that does not exist.
    """

    def __init__(self, rules: dict[str, list[str]]) -> None:
        self._rules = rules
        for name, alternatives in rules.items():
            for reference in _REFERENCE.findall(" ".join(alternatives)):
                if not self._known(reference):
                    raise ValueError(f"grammar rule {name} refers to unknown {{{reference}}}")

    @classmethod
    def load(cls, *paths: Path) -> Grammar:
        """Read grammar files, the bundled one if none is named; a later rule replaces an earlier one.

        Raises:
            ValueError: a line is not a rule.
        """
        rules: dict[str, list[str]] = {}
        for path in paths or (GRAMMAR_FILE,):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if not line.strip() or line.startswith("#"):
                    continue
                name, equals, body = line.partition(" = ")
                if not equals:
                    raise ValueError(f"{path.name}:{number}: expected 'NAME = alternatives'")
                rules[name.strip()] = body.split(" | ")
        return cls(rules)

    def _known(self, reference: str) -> bool:
        head = reference.split(":")[0]
        return reference in self._rules or head in _GENERATORS or head in {"digits", "num"}

    def sentence(self, rng: random.Random, rule: str = "TURN") -> str:
        """Return one random expansion of ``rule``, as spoken Cantonese with punctuation."""
        text = _REFERENCE.sub(lambda match: self._expand(match.group(1), rng), rng.choice(self._rules[rule]))
        return re.sub(" +", " ", text)

    def _expand(self, reference: str, rng: random.Random) -> str:
        if reference in self._rules:
            return self.sentence(rng, reference)
        head, *arguments = reference.split(":")
        if head == "digits":
            return nz.digit_string(rng, int(arguments[0]))
        if head == "num":
            return spoken_numeral(rng.randint(int(arguments[0]), int(arguments[1])))
        return _GENERATORS[head](rng)
