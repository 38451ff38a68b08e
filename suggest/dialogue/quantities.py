"""The quantities that a text names, so that texts can be compared: 5, 五個 and five are the same. Pure."""

from __future__ import annotations

import re
import unicodedata

from cantonese.numerals import DIGIT_VALUES, NUMERAL_CHARS, digits_value, numeral_value

_SMALL = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ENGLISH = (
    {word: value for value, word in enumerate(_SMALL)}
    | {word: 10 * value for value, word in enumerate(_TENS, 2)}
    | {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "half": 50, "dozen": 12}
)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_CHINESE = re.compile(f"([{NUMERAL_CHARS}两万亿]+)")
# Words that only look like quantities; not in the middle of a longer numeral (二萬一千, 廿一元).
_WORDS_ZH = re.compile(
    f"(?<![{NUMERAL_CHARS}两万亿])(?:一[^個月年天日時號月點百千萬億十]|萬一|千萬(?![元港])|十分(?!鐘)|兩[者用])"
    "|百分之|[統唯專單同逐第]一|三[思番]|百般|[星禮]期[一二三四五六日]"
)
_TENTHS = re.compile(r"(\d)成(?![為功人立本績員])")
_WORDS = re.compile(r"\b(" + "|".join(_ENGLISH) + r")\b", re.IGNORECASE)


def quantities(text: str) -> set[str]:
    """Return every quantity of a text in plain digits; a single 一 or 'one' is a word, not a quantity."""
    text = _TENTHS.sub(lambda match: f"{match[1]}0%", unicodedata.normalize("NFKC", text))
    found = {match.replace(",", "").rstrip(".") for match in _NUMBER.findall(text)}
    found = {
        str(float(value)).removesuffix(".0") if "." in value else value.lstrip("0") or "0" for value in found
    }
    found |= {_plain(numeral) for numeral in _CHINESE.findall(_WORDS_ZH.sub("，", text))} - {"0", "1"}
    found |= {"50"} if "半價" in text else set()
    return found | {str(_ENGLISH[word.lower()]) for word in _WORDS.findall(text) if word.lower() != "one"}


def _plain(numeral: str) -> str:
    """Return a numeral in digits: read one by one, by its value (百萬 counts as one of them), else as it is.

    What is not well-formed stands for itself, so that a reply with it needs a source that has the same.
    """
    if all(char in DIGIT_VALUES for char in numeral):
        return digits_value(numeral).lstrip("0") or "0"
    value = numeral_value(numeral)
    if value is None:
        value = numeral_value("一" + numeral)
    return numeral if value is None else str(value)
