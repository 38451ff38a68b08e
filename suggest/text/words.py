"""The telling words of a text as they stand there, for people: keywords of reports. Pure."""

from __future__ import annotations

import unicodedata

from cantonese.characters import is_han
from cantonese.keys import key_form, placed_pieces
from suggest.text import english
from suggest.text.chinese import ChineseRun
from suggest.text.lexicon import INTENT, SearchLexicon

LEAST, LEAST_MEANT = 0.45, 0.25
"""Weight from which a Chinese word is shown, and one that the lexicon knows a meaning of (own choice)."""


def telling_words(text: str, lexicon: SearchLexicon) -> list[str]:
    """Return words that say what a text is about, in their own spelling, each once."""
    plain = unicodedata.normalize("NFKC", text).lower()
    found: list[str] = []
    for at, run in placed_pieces(key_form(text)):
        if not is_han(run[0]):
            found += [run] if run.isalpha() and len(run) > 2 and english.weight(run) == 1.0 else []
            continue
        spans = sorted(ChineseRun(run, lexicon).spans())
        found += [plain[at + start : at + end] for start, end in spans if _tells(run[start:end], lexicon)]
    return list(dict.fromkeys(found))


def _tells(form: str, lexicon: SearchLexicon) -> bool:
    names = lexicon.concepts.get(form, ())
    if len(form) < 2 or lexicon.weight(form) < LEAST_MEANT:
        return False
    if names:
        return not all(name.startswith(INTENT) for name in names)
    return form not in lexicon.folds and form not in lexicon.shells and lexicon.weight(form) >= LEAST
