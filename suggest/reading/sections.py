"""Manuals into articles: a document is a run of blocks, cut at its headings. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cantonese.characters import is_han
from suggest.base import Article

LONGEST_ANSWER = 1_500
"""Characters; a longer section is cut between its paragraphs."""
CHINESE_SHARE = 0.2
"""Share of Chinese characters among letters from which a text counts as Chinese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A heading, or a paragraph, list or table of a document.

    Attributes:
        text: of it; tables have a row on each line and ' | ' between cells.
        level: of a heading, from 1; 0 for anything else.
        place: page or line, for people; '' if it is not known.
    """

    text: str
    level: int = 0
    place: str = ""


def table_text(rows: Iterable[Sequence[str | None]]) -> str:
    """Return a table as text."""
    lines = [" | ".join(" ".join((cell or "").split()) for cell in row) for row in rows]
    return "\n".join(line for line in lines if line.strip(" |"))


def sections(blocks: Iterable[Block], *, source: str, tenant: str, uri: str = "") -> list[Article]:
    """Return an article for each section of a document.

    The headings above a section are its question, its text the answer. An id is made of the file's name and
    the headings, so that a section keeps it when others come or go.

    Args:
        blocks: in order.
        source: name of the document; the title of what stands before the first heading.
        tenant: whose it is.
        uri: link to it.
    """
    out: list[Article] = []
    taken: dict[str, int] = {}
    for path, body, place in _cut(blocks):
        title = " › ".join(path) or source.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        texts = list(_parts(body))
        for number, text in enumerate(texts, 1):
            named = title if len(texts) == 1 else f"{title} ({number}/{len(texts)})"
            base = unique = f"{source}#{_slug(title)}"
            while unique in taken:
                taken[base] += 1
                unique = f"{base}-{taken[base]}"
            taken[unique] = 1
            language = "zh" if is_chinese(named + text) else "en"
            out.append(
                Article(
                    id=unique,
                    tenant=tenant,
                    category=path[0] if path else "",
                    source=source,
                    place=", ".join(filter(None, (" › ".join(path), place))),
                    uri=uri,
                    **{f"question_{language}": named, f"answer_{language}": text},  # type: ignore[arg-type]
                )
            )
    return out


def is_chinese(text: str) -> bool:
    """Tell whether a text is Chinese rather than English."""
    han = sum(map(is_han, text))
    return han > CHINESE_SHARE * sum(char.isalpha() for char in text)


def _cut(blocks: Iterable[Block]) -> Iterator[tuple[tuple[str, ...], list[str], str]]:
    """Yield headings, texts and place of every section that has text."""
    path: list[tuple[int, str]] = []
    body: list[str] = []
    place = ""
    for block in blocks:
        text = unicodedata.normalize("NFC", block.text).strip()
        if not text:
            continue
        if block.level:
            if body:
                yield tuple(name for _level, name in path), body, place
            path = [(level, name) for level, name in path if level < block.level]
            path.append((block.level, " ".join(text.split())))
            body, place = [], block.place
        else:
            place = place or block.place
            body.append(text)
    if body:
        yield tuple(name for _level, name in path), body, place


def _parts(paragraphs: Sequence[str]) -> Iterator[str]:
    """Yield texts of at most :data:`LONGEST_ANSWER` characters, cut between paragraphs, else lines."""
    pieces = [
        piece
        for paragraph in paragraphs
        for piece in ([paragraph] if len(paragraph) <= LONGEST_ANSWER else _broken(paragraph))
    ]
    held = ""
    for piece in pieces:
        if held and len(held) + len(piece) > LONGEST_ANSWER:
            yield held
            held = ""
        held += ("\n" if held else "") + piece
    if held:
        yield held


def _broken(text: str) -> Iterator[str]:
    """Yield a long paragraph in pieces, behind a line or a sentence if there is one."""
    while len(text) > LONGEST_ANSWER:
        ends = [match.end() for match in re.finditer(r"[\n。！？]|[.!?]\s", text[:LONGEST_ANSWER])]
        cut = ends[-1] if ends else LONGEST_ANSWER
        yield text[:cut].strip()
        text = text[cut:]
    if text.strip():
        yield text.strip()


def _slug(title: str) -> str:
    """Return a short stable name for headings."""
    plain = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFKC", title).lower()).strip("-")
    return plain if len(plain) <= 80 else f"{plain[:64]}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
