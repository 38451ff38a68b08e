"""Text files of unknown encoding. Pure."""

from __future__ import annotations

_COMMON = {"big5hkscs": (0xA4, 0xC6), "gb18030": (0xB0, 0xD7)}
"""First bytes of the characters in common use: the first plane of Big5, the first level of GB 2312."""
_NAMES = {"gb18030": "GBK", "big5hkscs": "Big5", "utf-8-sig": "UTF-8", "utf-16": "UTF-16"}


class UnknownEncodingError(ValueError):
    """Bytes that are no text of any encoding that is known."""


def decoded(raw: bytes) -> tuple[str, str]:
    """Return a file's text, and the name of its encoding for people.

    Big5 and GBK give each other's bytes a meaning. Text in the right one is of common characters for more
    than nine tenths, in the wrong one for about half.

    Raises:
        UnknownEncodingError: it is neither UTF-8, UTF-16, Big5 nor GBK.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        candidates = ["utf-16"]
    else:
        candidates = ["utf-8-sig", *sorted(_COMMON, key=lambda name: -_common(raw, name))]
    for encoding in candidates:
        try:
            return raw.decode(encoding), _NAMES[encoding]
        except UnicodeDecodeError:
            continue
    raise UnknownEncodingError


def _common(raw: bytes, encoding: str) -> float:
    """Return the share of two-byte characters that are in common use in an encoding."""
    low, high = _COMMON[encoding]
    total = common = at = 0
    while at < len(raw) - 1:
        if raw[at] < 0x80:
            at += 1
            continue
        total += 1
        common += low <= raw[at] <= high
        at += 2
    return common / total if total else 0.0
