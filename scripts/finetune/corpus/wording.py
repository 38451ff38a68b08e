"""Is it Cantonese as spoken, or Mandarin and written Chinese? And does it name people?"""

from __future__ import annotations

import re

from asr.text.reading import reading_form

# Function words of each side that the other does not use in speech (Matthews and Yip 2011, ch. 1).
_CANTONESE = re.compile(
    "[嘅係唔喺咗嚟佢哋冇啲咩乜嘢嗰呢咁俾畀搵睇嗌瞓攞噉吖㗎喎囉咋啩]|點解|邊個|邊度|幾時|而家|鍾意|返工|尋日"
)
_MANDARIN = re.compile(
    "[的是他她們這嗎很沒給吃]|什麼|怎麼|為甚麼|為什麼|哪裏|哪兒|現在|喜歡|可不可以|昨天|一點兒|不是|不會"
)
_HKID = re.compile(r"[A-Z]{1,2}\d{6}\(?[0-9A]\)?", re.IGNORECASE)
_CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
_PHONE = re.compile(r"(?<!\d)[235679]\d{3}[ -]?\d{4}(?!\d)")
_EMAIL = re.compile(r"[\w.+-]+\s?(?:@|at)\s?[\w-]+(?:\.|\s?dot\s?)\w+", re.IGNORECASE)


def is_mandarin(text: str) -> bool:
    """Tell whether verbatim ``text`` has words of Mandarin or written Chinese and none of Cantonese.

    Fixed expressions (的士, 目的, 是但) are passed over.
    """
    text = re.sub("的士|目的|的確|是但|但是|於是|是否|確是|這個月", "", text)
    return bool(_MANDARIN.search(text)) and not _CANTONESE.search(text)


def luhn(digits: str) -> bool:
    """Tell whether a card number's check digit is right (ISO/IEC 7812-1)."""
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def personal_data(spoken: str) -> list[str]:
    """Return the kinds of personal data in verbatim ``spoken``: hkid, card, phone, email."""
    text = reading_form(spoken)
    found = []
    joined = re.sub(r"(?<=\d)[，, -]+(?=\d)", "", text)
    if _HKID.search(re.sub(r"[ ，]", "", text)):
        found.append("hkid")
    if any(luhn(re.sub(r"\D", "", match.group())) for match in _CARD.finditer(joined)):
        found.append("card")
    if _PHONE.search(text) or _PHONE.search(joined):
        found.append("phone")
    if _EMAIL.search(text):
        found.append("email")
    return found
