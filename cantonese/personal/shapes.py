"""What a run of digits and letters is by its shape alone, and by the word that announced it. Pure."""

from __future__ import annotations

import re

from cantonese.personal.categories import SECRETS, Category
from cantonese.personal.runs import Run
from cantonese.personal.words import Harmless, Meaning

LETTERED = frozenset(
    {
        Category.HKID,
        Category.PASSPORT,
        Category.HOME_RETURN_PERMIT,
        Category.POLICY_NUMBER,
        Category.ACCOUNT_NUMBER,
        Category.CAR_PLATE,
        Category.PASSWORD,
        Category.MAINLAND_ID,
    }
)
"""Categories whose values may begin or end with letters."""
NUMBERS = LETTERED | {
    Category.CARD,
    Category.SECURITY_CODE,
    Category.ONE_TIME_CODE,
    Category.BANK_ACCOUNT,
    Category.PHONE,
    Category.OCTOPUS,
}
"""Categories whose values are digits and letters."""
LEAST = 4
"""Digits from which a run is somebody's number although nothing says what it is."""
LEAST_ANNOUNCED = 3
"""The same behind a word that announces it: the last three digits may be asked for."""
RIGHT_BEHIND = 2
"""Code points between a word and what is said right behind it."""
LONGEST_COUNT, LONGEST_AMOUNT = 6, 7
"""Digits that a quantity, and an amount without its currency, have at most."""
_YEAR = re.compile("(?:19|20)[0-9]{2}")
_PUBLIC = frozenset(
    {"999", "112", "992", "1823", "1081", "1083", "18222", "18288", "18281", "10010", "10000", "1868"}
)
"""Numbers of everybody: police, government, directory enquiries."""
_CARD = re.compile("4|5[0-9]|2[2-7]|3[4-7]|62|81|35|6")


def by_shape(run: Run) -> Category | None:
    """Return what a run is that nothing announces; None for what may be anything."""
    count = len(run.digits)
    if run.alone or run.ordinal or (run.unit and count <= LONGEST_COUNT) or is_public(run.digits):
        return None
    return _lettered(run.letters, run.value, count) if run.letters else _plain(run.value, run.digits)


def _plain(value: str, digits: str) -> Category | None:
    """Return what digits are, with a check letter at most."""
    count = len(digits)
    born = count == 18 and digits[6:8] in ("19", "20")
    if born or (count == 17 and value.endswith("X")):
        return Category.MAINLAND_ID
    if 13 <= count <= 19:
        return Category.CARD
    foreign = count in (11, 12) and digits.startswith(("852", "86", "1", "44"))
    if foreign or (count == 8 and digits[0] not in "01"):
        return Category.PHONE
    year = count == 4 and _YEAR.fullmatch(digits) is not None
    return None if count < LEAST or year else Category.NUMBER


def is_public(digits: str) -> bool:
    """Tell whether a number is everybody's, where it is no part of a longer one."""
    return digits in _PUBLIC


def _lettered(letters: str, value: str, count: int) -> Category | None:
    if count < 6:
        return None  # an article, a bus line, a flight
    if len(letters) <= 2 and count in (6, 7) and re.fullmatch("[A-Z]{1,2}[0-9]{6}[0-9A]?", value):
        return Category.HKID
    if letters in ("H", "M") and count in (8, 10):
        return Category.HOME_RETURN_PERMIT
    if letters in ("K", "KJ", "HJ", "H", "E", "EA", "EB", "G") and count == 8:
        return Category.PASSPORT
    return Category.POLICY_NUMBER if len(letters) <= 4 else Category.NUMBER


def looks_like_card(run: Run) -> bool:
    """Tell whether a run may be a card number although it is said to be something else."""
    return 13 <= len(run.digits) <= 19 and not run.letters and _CARD.match(run.digits) is not None


def announced(
    run: Run, meaning: Meaning, *, near: bool, gap: int | None = None
) -> Category | Harmless | None:
    """Return what a run is behind a word that announces something.

    Args:
        run: the run.
        meaning: of the word.
        near: hardly anything stands between.
        gap: code points between; None where it was said in another turn.

    Returns:
        Harmless where it is nobody's; None where the word says nothing about this run.
    """
    if isinstance(meaning, Harmless):
        return _nobodys(run, meaning, near=near, gap=gap or 0, told=gap is not None)
    count = len(run.digits)
    beside = gap is not None and gap <= RIGHT_BEHIND and meaning in SECRETS and count >= LEAST_ANNOUNCED
    counted = run.unit and count <= LONGEST_COUNT and not beside  # CVV 331蚊: a unit that was misheard
    if meaning not in NUMBERS or run.ordinal or counted:
        return None
    if count >= LEAST_ANNOUNCED or (run.letters and count and not run.alone):
        return _refined(run, meaning)
    return None


def _nobodys(run: Run, meaning: Harmless, *, near: bool, gap: int, told: bool) -> Category | Harmless | None:
    if looks_like_card(run) and (meaning is not Harmless.ORDER or not told):
        return Category.CARD
    applies = {
        Harmless.AMOUNT: near and len(run.digits) <= LONGEST_AMOUNT and not run.letters,
        Harmless.BILL: gap <= 1,
        Harmless.NONE: False,
    }
    return meaning if applies.get(meaning, True) else None


def _refined(run: Run, meaning: Category) -> Category:
    """Return the announced category, or a more certain one by shape."""
    if meaning in (Category.HKID, Category.PHONE, Category.ACCOUNT_NUMBER):
        shape = by_shape(run)
        if shape in (Category.CARD, Category.MAINLAND_ID, Category.HKID):
            return shape
    return meaning
