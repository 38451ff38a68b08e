"""Parts that the grammars of numbers share: patterns, and the value of what they find. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from cantonese.numerals import DIGIT_CHARS, DIGIT_VALUES, NUMERAL_CHARS, digits_value, numeral_value

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]
"""What to look for where a number may begin, and what is written for it; None if it is something else."""

D = DIGIT_CHARS
N = f"[{NUMERAL_CHARS}]+"
NUMERAL = re.compile(N)
START = f"(?:(?<![{NUMERAL_CHARS}幾])(?<![，。？！有近逾達]數)(?<!^數)|(?<=[期拜週周][一二三四五六日]))"
"""Not within a numeral, and not behind a word that makes it vague; but behind the name of a weekday."""
TO = "至到|至|到"
"""Words between two ends of a range."""


def group(name: str, pattern: str = N) -> str:
    """Return a named group."""
    return f"(?P<{name}>{pattern})"


def decimal(name: str) -> str:
    """Return the pattern of a numeral with decimals, such as 三點七五; groups ``name`` and ``name_f``."""
    return f"{group(name)}(?:點{group(name + '_f', f'[{D}]+')})?"


def figures_of(match: re.Match[str], name: str) -> str | None:
    """Return what :func:`decimal` found as figures, None if it is no number."""
    whole, fraction = number(match[name]), match[name + "_f"]
    if whole is None or not fraction:
        return whole
    return f"{whole}.{digits_value(fraction)}"


def number(numeral: str) -> str | None:
    """Return a numeral, or digits read one by one, as figures; None if it is vague or none."""
    if read_one_by_one(numeral):
        return None if counts_up(numeral) else digits_value(numeral)
    value = numeral_value(numeral)
    return None if value is None else str(value)


def read_one_by_one(numeral: str) -> bool:
    """Tell whether a numeral is two digits or more without any unit."""
    return len(numeral) > 1 and all(char in DIGIT_VALUES for char in numeral)


def counts_up(numeral: str) -> bool:
    """Tell whether digits follow one another, as in 三四個 (three or four) or 二三四樓."""
    values = [DIGIT_VALUES[char] for char in numeral]
    return len(values) < 5 and all(after == before + 1 for before, after in pairwise(values))


def for_one(numeral: str) -> bool:
    """Tell whether a numeral may be a price and the beginning of "a month": 三千一個月, 二百一晚."""
    return re.search(r"[百千萬億]一$", numeral) is not None
