"""Chinese numerals as they are spoken in Cantonese: to their value, and from a value back. Pure."""

from __future__ import annotations

import re

DIGITS = "零一二三四五六七八九"
"""By value."""
DIGIT_VALUES = {char: value for value, char in enumerate(DIGITS)} | {"〇": 0, "○": 0, "兩": 2}
DIGIT_CHARS = "零〇○一二三四五六七八九"
"""Characters of a number that is read out digit by digit; 兩 counts things and is not among them."""
NUMERAL_CHARS = DIGIT_CHARS + "兩十百千萬億廿卅卌"
"""Characters of any numeral in Traditional writing."""
DIGITS_ALOUD = DIGIT_VALUES | {"幺": 1, "洞": 0}
"""Digits of a number that is read out one by one, with those that only occur there."""
_UNITS = {"十": 10, "百": 100, "千": 1000}
_CLIPPED = re.compile("(.*([百千]))([一二三四五六七八九])([一二三四五六七八九])")
_TENS = str.maketrans({"廿": "二十", "卅": "三十", "卌": "四十"})
_TRADITIONAL = str.maketrans("两万亿", "兩萬億")


def numeral_value(numeral: str) -> int | None:
    """Return the value of a spoken numeral, or None if it is not a well-formed one.

    A digit behind the last unit stands for the unit below, as in speech: 兩千五 is 2,500, 三百五 is 350,
    兩萬五 is 25,000; 兩千零五 is 2,005. 廿, 卅 and 卌 are 20, 30 and 40. A numeral that ends in 零 is none:
    三千零 is "some three thousand". Neither is one that begins with a unit; see :func:`amount_value`.

    Args:
        numeral: such as 一萬二千, 廿三 or 三百零五, in either script, without digits read one by one.
    """
    text = numeral.translate(_TRADITIONAL).translate(_TENS)
    if len(text) > 1 and text.endswith(("零", "兩")):  # some; taels
        return None
    total = 0
    for mark, factor in (("億", 100_000_000), ("萬", 10_000)):
        if mark in text:
            high, _, text = text.partition(mark)
            value = _below_myriad(high) if high else None
            if value is None or "億" in text:
                return None
            total += value * factor
            if len(text) == 1 and text in DIGIT_VALUES and text != "零":
                return total + DIGIT_VALUES[text] * factor // 10
    rest = _below_myriad(text) if text else 0
    return None if rest is None else total + rest


def amount_value(numeral: str) -> int | None:
    """Return the value of an amount of money, where the first 一 may be left out.

    萬二 is 12,000 and 百五 is 150; units at the end may be, too: 三百九八 is 398, 二千九八 is 2,980.
    百八十 and 千 alone stay vague: about a hundred and eighty, thousands.
    """
    text = numeral.translate(_TRADITIONAL)
    if text[:1] in ("萬", "億") and len(text) > 1:
        return numeral_value("一" + text)
    if text[:1] in ("百", "千") and (len(text) == 2 or (text[0] == "千" and text[2:3] == "百")):
        return numeral_value("一" + text) if text[1] in DIGIT_VALUES and text[1] != "零" else None
    if text[:1] in ("百", "千") and text[1:2] == "零" and len(text) == 3:
        return numeral_value("一" + text)
    if text[:1] in ("百", "千"):
        text = "一" + text
    clipped = _CLIPPED.fullmatch(text)
    if clipped and DIGIT_VALUES[clipped[4]] != DIGIT_VALUES[clipped[3]] + 1:  # 三百三四 is vague
        whole, size = numeral_value(clipped[1]), _UNITS[clipped[2]]
        tens = 10 * DIGIT_VALUES[clipped[3]] + DIGIT_VALUES[clipped[4]]
        return None if whole is None else whole + tens * size // 100
    return numeral_value(numeral)


def _below_myriad(text: str) -> int | None:
    total, digit, last_unit, zero = 0, None, 10_000, False
    for char in text:
        if char in DIGIT_VALUES:
            if digit is not None:
                return None
            zero, digit = (True, None) if DIGIT_VALUES[char] == 0 else (zero, DIGIT_VALUES[char])
            continue
        unit = _UNITS.get(char)
        if unit is None or unit >= last_unit or (digit is None and not (unit == 10 and total == 0)):
            return None
        total, digit, last_unit, zero = total + (digit or 1) * unit, None, unit, False
    if digit is None:
        return total
    return total + digit * (last_unit // 10 if 100 <= last_unit < 10_000 and not zero else 1)


def digits_value(text: str) -> str:
    """Return digits that were read out one by one as figures: 九一二三 is 9123."""
    return "".join(str(DIGITS_ALOUD[char]) for char in text)


def spoken_numeral(value: int) -> str:
    """Return ``value`` (0 to 99,999,999) as a Cantonese speaker reads it."""
    if value == 0:
        return "零"
    if value >= 10_000:
        high, low = divmod(value, 10_000)
        gap = "零" if 0 < low < 1000 else ""
        return spoken_numeral(high) + "萬" + (gap + spoken_numeral(low) if low else "")
    out, pending_zero = "", False
    for place, unit in ((3, "千"), (2, "百"), (1, "十"), (0, "")):
        digit = value // 10**place % 10
        if digit:
            out += ("零" if pending_zero and out else "") + DIGITS[digit] + unit
            pending_zero = False
        else:
            pending_zero = True
    return out[1:] if out.startswith("一十") else out


def counting_numeral(value: int) -> str:
    """Return ``value`` as it is read before a measure word: two is 兩, not 二."""
    return "兩" if value == 2 else spoken_numeral(value)
