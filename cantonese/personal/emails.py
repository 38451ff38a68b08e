"""E-mail addresses, written or spelled aloud: chan tai man at gmail 點 com. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WRITTEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,24}){1,4}")
_AT = re.compile(r"(?<![A-Za-z])at(?![A-Za-z])|@|小老鼠|鼠仔|阿特", re.IGNORECASE)
_HAS_AT = re.compile("[@鼠特]|[aA][tT]")
_DIGIT = "0-9零一二三四五六七八九洞孖幺"
_DOT = r"(?:點|dot|\.|。)"
_DOMAIN = re.compile(
    rf"\s?(?:[A-Za-z][A-Za-z0-9]*|[{_DIGIT}])(?:[\s\-]{{0,2}}(?:[A-Za-z0-9]+|[{_DIGIT}])){{0,8}}?(?:\s?{_DOT}\s?(?:[A-Za-z](?:\s[A-Za-z])+(?![A-Za-z])|[A-Za-z]+)){{1,4}}",
    re.IGNORECASE,
)
_TOP = re.compile(
    r"(?:點|dot|\.|。)\s?(?:com|net|org|edu|gov|info|biz|io|me|co|hk|h\sk|cn|tw|uk|u\sk|jp|au|ca|us|eu|sg|mo|asia|email|app|dev|example)\.?$",
    re.IGNORECASE,
)
_LOCAL = re.compile(rf"[A-Za-z]+|[{_DIGIT}]|十|廿|[._\-]|點|底線|減號|下劃線|橫線|小寫|大寫|細楷|大楷|\s")
_STOPS = frozenset(
    [
        "is",
        "email",
        "mail",
        "my",
        "it",
        "its",
        "address",
        "the",
        "to",
        "your",
        "yes",
        "and",
        "so",
        "use",
        "that's",
        "it's",
        "e",
    ]
)


def emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield where e-mail addresses stand."""
    if not _HAS_AT.search(text):
        return
    for found in _WRITTEN.finditer(text):
        yield found.span()
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        if domain is None or not _TOP.search(domain.group()):
            continue
        end = domain.end()
        while text[end - 1] in ".。 ":
            end -= 1
        yield _local_start(text, at.start()), end


def _local_start(text: str, end: int) -> int:
    """Return where what stands before the at sign begins: Latin words, digits and dots."""
    tokens: list[tuple[int, str]] = []
    least, position = max(0, end - 80), end
    pieces = list(_LOCAL.finditer(text, least, end))
    for piece in reversed(pieces):
        if piece.end() != position or piece.group().lower() in _STOPS:
            break
        if piece.start() and text[piece.start() - 1] in "'’":
            break
        tokens.append((piece.start(), piece.group()))
        position = piece.start()
    for start, token in reversed(tokens):
        if not token.isspace():
            return start
    return end


_SPELLED = re.compile(
    rf"(?:[A-Za-z]+|[{_DIGIT}]|@|[._\-]|點(?![解樣算知呀])|底線|減號|中間有個|\s)+", re.IGNORECASE
)
_WORDS = frozenset(
    [
        "it's",
        "is",
        "the",
        "my",
        "email",
        "address",
        "yes",
        "ok",
        "okay",
        "sure",
        "of",
        "course",
        "and",
        "no",
        "sorry",
        "all",
        "lower",
        "case",
        "please",
        "what",
        "for",
    ]
)
LONGEST_WORDS = 8
"""Latin words from which a turn is a sentence in English and no address that is spelled."""


def spelled_parts(text: str) -> Iterator[tuple[int, int]]:
    """Yield Latin letters, words and digits in the answer to a question for an e-mail address."""
    words = re.findall("[A-Za-z']{2,}", text)
    if len(words) > LONGEST_WORDS or "$" in text:
        return
    for found in _SPELLED.finditer(text):
        said = found.group()
        kept = re.sub(
            rf"^[\s._-]*(?:(?:{'|'.join(sorted(_WORDS))})\b[\s.,]*)*", "", said, flags=re.IGNORECASE
        )
        start, end = found.end() - len(kept), found.start() + len(said.rstrip())
        if sum(char.isalnum() for char in kept) >= 2 and re.search("[A-Za-z]", text):
            yield start, end
