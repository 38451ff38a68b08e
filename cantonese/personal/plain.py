"""Characters that look like digits, letters and marks, as the ones that they stand for: one for one. Pure."""

from __future__ import annotations

import re
import unicodedata

_KEPT = frozenset("，。？！：；（）、〔〕「」…〇○")
"""Marks of Chinese text that patterns expect as they are."""
_INSTEAD = {**dict.fromkeys("•‧・·～〜", " "), "两": "兩", "−": "-"}
_UNSEEN = frozenset(["Cf", "Cc", "Mn", "Me", "So", "Sk"])
"""Unicode categories that become a space: invisible, combining, pictures."""
_FORMAL = re.compile("[壹貳叁肆伍陸柒捌玖零]{3,}")
_FORMAL_DIGITS = str.maketrans("壹貳叁肆伍陸柒捌玖", "一二三四五六七八九")
_MARK_BESIDE_HAN = re.compile(
    "(?<=[\u4e00-\u9fff])[,?!;:](?!\\d)|[,?!;](?=\\s?[\u4e00-\u9fff])|(?<=[\u4e00-\u9fff])\\.(?=\\s|$)"
)
_WIDE = str.maketrans(",?!;:.", "，？！；：。")


class _Plain(dict[int, str]):
    """What stands for each character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = _plain(char)
        return self[code]


_PLAIN = _Plain()


def plain(text: str) -> str:
    """Return a text of the same length in which every digit, letter and mark has its usual form.

    Full-width and foreign digits and letters become ASCII, invisible characters and emoji spaces, formal
    numerals (壹貳叁) ordinary ones, and marks beside Chinese get their Chinese width.
    """
    if text.isascii():
        return text
    text = _MARK_BESIDE_HAN.sub(_wide, text.translate(_PLAIN))
    return _FORMAL.sub(_ordinary, text)


def _wide(mark: re.Match[str]) -> str:
    return mark.group().translate(_WIDE)


def _ordinary(numeral: re.Match[str]) -> str:
    return numeral.group().translate(_FORMAL_DIGITS)


def _plain(char: str) -> str:
    if char.isascii() or char in _KEPT:
        return char
    if char in _INSTEAD:
        return _INSTEAD[char]
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    if unicodedata.category(char) == "Pd":
        return "-"
    folded = unicodedata.normalize("NFKC", char)
    if len(folded) == 1 and folded != char:
        return folded
    return " " if unicodedata.category(char) in _UNSEEN else char
