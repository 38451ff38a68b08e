"""Reading text whose encoding nobody wrote down: never a guess that changes a word."""

from __future__ import annotations

import codecs
from pathlib import Path

from scripts.finetune.common.errors import FinetuneError

_SUSPECTS = ("big5hkscs", "gb18030", "utf-16")
_MARKED = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_text(path: Path, encoding: str | None = None) -> str:
    """Return the text of a file: UTF-8, UTF-16 with its mark, or ``encoding``.

    Raises:
        FinetuneError: the bytes are not of that encoding; the message says what they look like.
    """
    data = path.read_bytes()
    for mark, name in _MARKED:
        if data.startswith(mark):
            encoding = name
    try:
        return data.decode(encoding or "utf-8")
    except LookupError as error:
        raise FinetuneError(f"no encoding is called {encoding!r}; try big5hkscs or utf-8") from error
    except UnicodeDecodeError as error:
        found = _suspect(data)
        hint = f"; it reads as {found}: give --encoding {found}" if found else "; save it as UTF-8"
        raise FinetuneError(f"{path.name} is not {encoding or 'utf-8'}{hint}") from error


def _suspect(data: bytes) -> str | None:
    """Return the encoding in which the bytes read with the most common Chinese characters."""
    best, best_score = None, 0.5
    for name in _SUSPECTS:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        wide = [char for char in text if ord(char) > 127]
        score = sum("\u4e00" <= char <= "\u9fff" or char in "，。？！、：「」" for char in wide)
        score -= sum(char in "锟斤拷" for char in wide)
        traditional = sum(char in "嘅係唔喺咗我你佢哋俾個會話啦呀到呢" for char in wide)
        share = (score + traditional) / max(1, len(wide))
        if share > best_score:
            best, best_score = name, share
    return best
