"""How Chinese characters are pronounced in Cantonese, and which syllables a recogniser mixes up.

Readings come from the dictionary of rime-cantonese (CC BY 4.0) that pycantonese carries. Its segmenter and
converter are not used: they hold 300 MB, cut a text differently when one character of it is wrong (重設密碼
became 重 and 設密碼), and a search wants every word of a text, not one way to cut it.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from cantonese.characters import is_han
from cantonese.keys import key_form

LONGEST_WORD = 5
_SYLLABLE = re.compile(r"^(ng|gw|kw|[bpmfdtnlgkhzcswj])?([a-z]+?)([1-6])$")


@lru_cache(maxsize=1)
def _dictionary() -> tuple[dict[str, str], dict[str, str]]:
    """Return readings of single characters, and of words, by key form."""
    package = find_spec("pycantonese")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("pycantonese is not installed; install yuetone again")
    folder = Path(package.submodule_search_locations[0]) / "data" / "rime_cantonese"
    entries: dict[str, str] = json.loads((folder / "chars_to_jyutping.json").read_text("utf-8"))
    chars: dict[str, str] = {}
    words: dict[str, str] = {}
    for text, reading in entries.items():
        if len(text) == 1:
            chars.setdefault(text, reading)
            chars.setdefault(key_form(text), reading)
        elif len(text) <= LONGEST_WORD and all(map(is_han, text)):
            words.setdefault(key_form(text), reading)
    return chars, words


def is_word(key: str) -> bool:
    """Tell whether a run of two to five characters (key form) is in the dictionary."""
    return key in _dictionary()[1]


def word_reading(key: str) -> list[str] | None:
    """Return the syllables of a dictionary word (key form); None if it is none."""
    reading = _dictionary()[1].get(key)
    return reading.split() if reading else None


@lru_cache(maxsize=32_768)
def char_reading(char: str) -> str:
    """Return the commonest syllable of a character with its tone; '' if it is not known."""
    return _dictionary()[0].get(char, "").split(" ")[0]


@lru_cache(maxsize=8_192)
def loose(syllable: str) -> str:
    """Return a syllable without tone, with sounds merged that many speakers no longer keep apart.

    n and l, ng and no initial, gw and g before o, finals ng and n after a and o, k and t after a
    ("lazy sounds", 懶音). Which mergers to take is our own choice.
    """
    match = _SYLLABLE.match(syllable)
    if not match:
        return syllable.rstrip("123456")
    initial, final = match[1] or "", match[2]
    initial = {"n": "l", "ng": ""}.get(initial, initial)
    if initial in ("gw", "kw") and final.startswith("o"):
        initial = initial[0]
    for merged in ("a", "o"):
        if final.endswith(merged + "ng"):
            final = final[:-1]
    if final.endswith("ak"):
        final = final[:-1] + "t"
    return initial + final
