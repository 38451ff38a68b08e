"""Check digits. They make a finding surer and never undo one: a digit that was misheard is still somebody's.

Sources: Luhn, ISO/IEC 7812-1; mainland identity cards, ISO 7064 mod 11-2; Hong Kong identity cards and
Octopus cards, as published by those who worked them out (docs/privacy.md).
"""

from __future__ import annotations

_BLANK = 36
_HKID_WEIGHTS = range(9, 1, -1)


def has_luhn_check_digit(digits: str) -> bool:
    """Tell whether a card number's check digit is right (ISO/IEC 7812-1)."""
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def has_hkid_check_digit(letters: str, digits: str, check: str) -> bool:
    """Tell whether the check digit of an identity card is right.

    Args:
        letters: one or two.
        digits: six.
        check: a digit, or A for 10.
    """
    values = [_BLANK] * (2 - len(letters)) + [ord(char) - 55 for char in letters.upper()]
    values += [int(char) for char in digits]
    total = sum(weight * value for weight, value in zip(_HKID_WEIGHTS, values, strict=True))
    expected = (11 - total % 11) % 11
    return check.upper() == ("A" if expected == 10 else str(expected))


def has_mainland_check_digit(number: str) -> bool:
    """Tell whether the last of 18 characters of a mainland identity card is right (ISO 7064 mod 11-2)."""
    total = sum(int(char) * pow(2, 17 - place, 11) for place, char in enumerate(number[:17]))
    return number[17].upper() == "10X98765432"[total % 11]


def has_octopus_check_digit(digits: str, check: str) -> bool:
    """Tell whether the digit in brackets behind the number of an Octopus card is right."""
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return int(check) == -total % 10
