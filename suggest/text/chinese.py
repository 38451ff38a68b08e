"""Runs of Chinese characters: their tokens, and what of them must be covered. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from cantonese.jyutping import LONGEST_WORD, char_reading, is_word, loose, word_reading
from suggest.text.lexicon import INTENT, SearchLexicon
from suggest.text.tokens import Spot, Tokens, meaning_weight, put


class ChineseRun:
    """A run of Chinese characters in key form."""

    def __init__(self, run: str, lexicon: SearchLexicon) -> None:
        self._run = run
        self._lexicon = lexicon
        self._forms = list(_forms(run, lexicon))
        self._words = [
            (at, at + size)
            for at in range(len(run))
            for size in range(2, LONGEST_WORD + 1)
            if at + size <= len(run) and is_word(run[at : at + size])
        ]
        self._written = self._folded()

    def _folded(self) -> str:
        """Return the run with spoken phrases in their written form."""
        out, at = "", 0
        for start, end in self._forms:
            written = self._lexicon.folds.get(self._run[start:end])
            if written is not None and start >= at:
                out += self._run[at:start] + written
                at = end
        return out + self._run[at:]

    def add_to(self, tokens: Tokens, *, phonetic: bool) -> None:
        """Add the tokens of the run, as it was said and as it would be written."""
        for text in sorted({self._run, self._written}):
            for char in text:
                put(tokens, "u" + char, self._lexicon.weight(char))
            for at in range(len(text) - 1):
                pair = text[at : at + 2]
                put(tokens, "c" + pair, self._lexicon.weight(pair))
        for start, end in self._words:
            word = self._run[start:end]
            put(tokens, "w" + word, self._lexicon.weight(word))
        if self._written != self._run:
            for word in _words_of(self._written):
                put(tokens, "w" + word, self._lexicon.weight(word))
        for form in {*self._meant(self._run), *self._meant(self._written)}:
            for name in self._lexicon.concepts.get(form, ()):
                put(tokens, "k" + name, meaning_weight(name, self._lexicon.weight(form)))
        if phonetic:
            self._add_sounds(tokens)

    def _add_sounds(self, tokens: Tokens) -> None:
        for at in range(len(self._run) - 1):
            weight = self._lexicon.weight(self._run[at : at + 2])
            for syllables in self._sounds(at):
                put(tokens, "t" + "".join(syllables), weight)
                put(tokens, "j" + "-".join(map(loose, syllables)), weight)

    def _meant(self, text: str) -> Iterator[str]:
        """Yield the forms of the lexicon in a text."""
        spans = self._forms if text == self._run else _forms(text, self._lexicon)
        return (text[start:end] for start, end in spans)

    @cached_property
    def _readings(self) -> list[set[str]]:
        """The possible syllables of each character: on its own, and in the words it stands in."""
        readings = [{char_reading(char)} - {""} for char in self._run]
        for start, end in self._words:
            syllables = word_reading(self._run[start:end]) or []
            for at, syllable in zip(range(start, end), syllables, strict=False):
                readings[at].add(syllable)
        return readings

    def _sounds(self, at: int) -> list[tuple[str, str]]:
        """Return how the pair at a place can sound."""
        return [(first, second) for first in self._readings[at] for second in self._readings[at + 1]]

    def spots(self) -> list[Spot]:
        """Return what must be covered: each character, by itself, by its sound, or by what it means here."""
        return [spot for at in range(len(self._run)) if (spot := self._spot(at)).weight > 0.02]

    def _spot(self, at: int) -> Spot:
        run, lexicon = self._run, self._lexicon
        near = [left for left in (at - 1, at) if left >= 0 and left + 2 <= len(run)]
        ways: list[tuple[float, tuple[str, ...]]] = [
            (1.0, tuple("c" + run[left : left + 2] for left in near))
        ]
        sounds = [syllables for left in near for syllables in self._sounds(left)]
        ways.append((0.9, tuple("t" + "".join(pair) for pair in sounds)))
        ways.append((0.75, tuple("j" + "-".join(map(loose, pair)) for pair in sounds)))
        ways.append((0.4, ("u" + run[at],)))
        weights = [
            lexicon.weight(run[start:end]) / (end - start) ** 0.5
            for start, end in (*self._words, *self._forms)
            if start <= at < end
        ]
        for start, end in self._forms:
            if start <= at < end:
                form = run[start:end]
                names, written = self._meanings(form)
                ways.append((0.95, tuple("k" + name for name in names)))
                ways.append((0.9, tuple("c" + written[i : i + 2] for i in range(len(written) - 1))))
                if names and all(name.startswith(INTENT) for name in names):
                    weights.append(0.1)
        weight = min(weights) if weights else lexicon.weight(run[at]) * 0.7
        return Spot(weight=weight, ways=tuple(way for way in ways if way[1]))

    def spans(self) -> list[tuple[int, int]]:
        """Return where whole words stand: the longest ones first, none within another one."""
        taken = [False] * len(self._run)
        found = []
        for start, end in sorted({*self._words, *self._forms}, key=lambda span: (span[0] - span[1], span)):
            if not any(taken[start:end]):
                taken[start:end] = [True] * (end - start)
                found.append((start, end))
        return found

    def terms(self) -> list[Spot]:
        """Return what must be covered of whole words."""
        terms = (self._term(start, end) for start, end in self.spans())
        return [term for term in terms if term.weight > 0.1]

    def _term(self, start: int, end: int) -> Spot:
        form, lexicon = self._run[start:end], self._lexicon
        names, written = self._meanings(form)
        ways = [
            (1.0, ("w" + form,)),
            (0.95, tuple("k" + name for name in names)),
            (0.9, tuple("c" + text[at : at + 2] for text in (form, written) for at in range(len(text) - 1))),
            (0.8, tuple("t" + "".join(pair) for at in range(start, end - 1) for pair in self._sounds(at))),
        ]
        intent = bool(names) and all(name.startswith(INTENT) for name in names)
        weight = 0.1 if intent else lexicon.weight(form)
        return Spot(weight=weight, ways=tuple(way for way in ways if way[1]))

    def _meanings(self, form: str) -> tuple[list[str], str]:
        """Return the names of what a form means, and its written form."""
        lexicon = self._lexicon
        names = {*lexicon.concepts.get(form, ())}
        written = lexicon.folds.get(form, "")
        names |= {name for part in _forms(written, lexicon) for name in _names(written, part, lexicon)}
        return sorted(names), written


def _names(text: str, span: tuple[int, int], lexicon: SearchLexicon) -> tuple[str, ...]:
    return lexicon.concepts.get(text[span[0] : span[1]], ())


def _words_of(text: str) -> Iterator[str]:
    for at in range(len(text)):
        for size in range(2, min(LONGEST_WORD, len(text) - at) + 1):
            if is_word(text[at : at + size]):
                yield text[at : at + size]


def _forms(text: str, lexicon: SearchLexicon) -> Iterator[tuple[int, int]]:
    """Yield where forms of the lexicon stand: at each place the longest, and none within another one."""
    reach = 0
    for at in range(len(text)):
        for size in range(min(lexicon.longest.get(text[at], 0), len(text) - at), 0, -1):
            if text[at : at + size] in lexicon.forms:
                if at + size > reach:
                    yield at, at + size
                    reach = at + size
                break
