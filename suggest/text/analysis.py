"""A text as the search sees it; see :mod:`suggest.text.tokens`. Pure."""

from __future__ import annotations

from itertools import pairwise

from cantonese.characters import is_han
from cantonese.keys import key_form, pieces
from suggest.text import english
from suggest.text.chinese import ChineseRun
from suggest.text.lexicon import INTENT, SearchLexicon
from suggest.text.tokens import LONGEST_PHRASE, LONGEST_TEXT, Analysis, Spot, Tokens, meaning_weight, put


def analyse(text: str, lexicon: SearchLexicon, *, phonetic: bool = True, spots: bool = False) -> Analysis:
    """Return the tokens of a text.

    Args:
        text: any; only the first :data:`LONGEST_TEXT` characters are looked at.
        lexicon: tables of words.
        phonetic: with syllables, and with letters of English words.
        spots: with spots, as queries need them.
    """
    runs = pieces(key_form(text[:LONGEST_TEXT]))
    tokens: Tokens = {}
    found: list[Spot] = []
    terms: list[Spot] = []
    latin = [run for run in runs if not is_han(run[0])]
    for run in runs:
        if is_han(run[0]):
            marked = ChineseRun(run, lexicon)
            marked.add_to(tokens, phonetic=phonetic)
            if spots:
                found += marked.spots()
                terms += marked.terms()
    _add_english(latin, lexicon, tokens, letters=phonetic)
    if spots:
        english_spots = _english_spots(latin, lexicon)
        found += english_spots
        terms += english_spots
    return Analysis(tokens=tokens, spots=tuple(found), terms=tuple(terms))


def _add_english(words: list[str], lexicon: SearchLexicon, tokens: Tokens, *, letters: bool) -> None:
    stems = [english.stem(word) for word in words]
    for word, root in zip(words, stems, strict=True):
        weight = english.weight(word)
        put(tokens, "e" + root, weight)
        if letters and len(root) > 4:
            for at in range(len(root) - 2):
                put(tokens, "g" + root[at : at + 3], weight / 2)
    for at in range(len(stems)):
        for size in range(1, min(LONGEST_PHRASE, len(stems) - at) + 1):
            for name in lexicon.english.get(" ".join(stems[at : at + size]), ()):
                least = max(english.weight(word) for word in words[at : at + size])
                put(tokens, "k" + name, meaning_weight(name, least))
    for left, right in pairwise(stems):
        put(tokens, f"e{left}_{right}", 0.5)


def _english_spots(words: list[str], lexicon: SearchLexicon) -> list[Spot]:
    """Return a spot for each word; what it means may come from a phrase that it is part of."""
    stems = [english.stem(word) for word in words]
    names: list[set[str]] = [set() for _ in stems]
    for at in range(len(stems)):
        for size in range(1, min(LONGEST_PHRASE, len(stems) - at) + 1):
            meant = lexicon.english.get(" ".join(stems[at : at + size]), ())
            for place in range(at, at + size):
                names[place] |= set(meant)
    return [
        _english_spot(word, root, sorted(meant))
        for word, root, meant in zip(words, stems, names, strict=True)
    ]


def _english_spot(word: str, root: str, names: list[str]) -> Spot:
    ways = [(1.0, ("e" + root,)), (0.95, tuple("k" + name for name in names))]
    weight = english.weight(word) * 1.2
    if names and all(name.startswith(INTENT) for name in names):
        weight = min(weight, 0.15)
    return Spot(weight=weight, ways=tuple(way for way in ways if way[1]))
