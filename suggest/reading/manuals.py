"""Manuals: Markdown, HTML, Word and PDF as blocks. Tables stay tables; scripts and page furniture go."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from suggest.base import KnowledgeError
from suggest.reading.sections import Block, table_text

MANUALS = (".md", ".markdown", ".html", ".htm", ".docx", ".pdf")
_EXTRA = "needs the package {}; install it with: pip install 'yuetone[documents]'"
_HEADING = re.compile(r"h([1-6])$")
_DOCX_HEADING = re.compile(r"(?:heading|標題|标题) ?([1-9])$", re.IGNORECASE)
LARGER = 1.15
"""Letters of a PDF that are larger than its commonest size by this factor make a heading (own choice)."""
LONGEST_HEADING = 80


def blocks_of(path: Path) -> list[Block]:
    """Return the blocks of a document.

    Raises:
        KnowledgeError: it cannot be read; the message names the fix, without the file's name.
    """
    readers: dict[str, Callable[[Path], Iterator[Block]]] = {
        ".md": _markdown, ".markdown": _markdown, ".html": _html, ".htm": _html, ".docx": _docx, ".pdf": _pdf
    }  # fmt: skip
    try:
        return list(readers[path.suffix.lower()](path))
    except OSError as error:
        raise KnowledgeError(f"cannot be read ({error.strerror or type(error).__name__})") from error
    except UnicodeDecodeError as error:
        raise KnowledgeError("is not UTF-8; save it as UTF-8") from error
    except ModuleNotFoundError as error:
        raise KnowledgeError(_EXTRA.format(error.name)) from error


# ------------------------------------------------------------------ Markdown


def _markdown(path: Path) -> Iterator[Block]:
    from markdown_it import MarkdownIt  # noqa: PLC0415

    text = path.read_text("utf-8-sig")
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        text = text[4:].split("\n---\n", 1)[1]  # front matter
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    lines = text.split("\n")
    level, skip_to = 0, -1
    for token in tokens:
        first, last = token.map or (-1, -1)
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "inline" and level:
            yield Block(text=_plain(token), level=level, place=f"line {first + 1}")
            level = 0
        elif token.type in ("table_open", "bullet_list_open", "ordered_list_open", "fence", "code_block"):
            if first >= skip_to:
                skip_to = last
                yield Block(text=_source(lines[first:last], token.type), place=f"line {first + 1}")
        elif token.type == "inline" and first >= skip_to:
            yield Block(text=_plain(token), place=f"line {first + 1}")


def _plain(token: Any) -> str:
    """Return the words of an inline token, without marks and links' targets."""
    parts = []
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type == "image":
            parts.append(_plain(child))
    return "".join(parts)


def _source(lines: list[str], kind: str) -> str:
    if kind == "table_open":
        rows = [line.strip().strip("|").split("|") for line in lines if line.strip()]
        return table_text(row for row in rows if not all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in row))
    if kind in ("fence", "code_block"):
        return "\n".join(line for line in lines if not line.lstrip().startswith(("```", "~~~")))
    return "\n".join(re.sub(r"[*_`]{1,2}(?=\S)|(?<=\S)[*_`]{1,2}", "", line) for line in lines).strip()


# ------------------------------------------------------------------ HTML


def _html(path: Path) -> Iterator[Block]:
    from bs4 import BeautifulSoup  # noqa: PLC0415

    soup = BeautifulSoup(path.read_bytes(), "html.parser")
    for junk in soup(["script", "style", "nav", "header", "footer", "noscript", "template", "svg", "form"]):
        junk.decompose()
    yield from _html_blocks(soup.body or soup)


def _html_blocks(node: Any) -> Iterator[Block]:
    """Yield blocks below a node; text directly in it counts as a paragraph."""
    loose: list[str] = []
    for child in node.children:
        name = getattr(child, "name", None)
        if name is None:
            if type(child).__name__ == "NavigableString":
                loose.append(str(child))
            continue
        heading = _HEADING.match(name)
        is_block = heading or name in ("table", "ul", "ol", "p", "pre", "dl") or _holds_blocks(child)
        if not is_block:
            loose.append(child.get_text(" ") if name != "br" else "\n")
            continue
        yield from _paragraph(loose)
        loose = []
        if heading:
            yield Block(text=child.get_text(" ", strip=True), level=int(heading[1]))
        elif name == "table":
            rows = [[cell.get_text(" ") for cell in row(["td", "th"])] for row in child("tr")]
            yield Block(text=table_text(rows))
        elif name in ("ul", "ol"):
            items = [" ".join(item.get_text(" ").split()) for item in child("li", recursive=False)]
            yield Block(text="\n".join(f"- {item}" for item in items if item))
        elif _holds_blocks(child):
            yield from _html_blocks(child)
        else:
            yield from _paragraph([child.get_text(" ")])
    yield from _paragraph(loose)


def _holds_blocks(node: Any) -> bool:
    return (
        node.find(["h1", "h2", "h3", "h4", "h5", "h6", "p", "table", "ul", "ol", "div", "section"])
        is not None
    )


def _paragraph(parts: list[str]) -> Iterator[Block]:
    text = " ".join("".join(parts).split())
    if text:
        yield Block(text=text)


# ------------------------------------------------------------------ Word


def _docx(path: Path) -> Iterator[Block]:
    import docx  # noqa: PLC0415 (an extra)
    from docx.opc.exceptions import PackageNotFoundError  # noqa: PLC0415
    from docx.table import Table  # noqa: PLC0415

    try:
        document = docx.Document(str(path))
    except (PackageNotFoundError, BadZipFile, KeyError, ValueError) as error:
        raise KnowledgeError("is not a Word document (.docx); open it in Word and save it again") from error
    for part in document.iter_inner_content():
        if isinstance(part, Table):
            yield Block(text=table_text([cell.text for cell in row.cells] for row in part.rows))
            continue
        style = part.style.name if part.style is not None else ""
        heading = _DOCX_HEADING.match(style or "")
        level = int(heading[1]) if heading else int((style or "").lower() in ("title", "標題"))
        yield Block(text=part.text, level=level)


# ------------------------------------------------------------------ PDF


def _pdf(path: Path) -> Iterator[Block]:
    import pdfplumber  # noqa: PLC0415 (an extra)
    from pdfplumber.utils.exceptions import MalformedPDFException, PdfminerException  # noqa: PLC0415

    try:
        with pdfplumber.open(path) as document:
            pages = [_page(page) for page in document.pages]
    except (PdfminerException, MalformedPDFException, ValueError, TypeError, KeyError) as error:
        raise KnowledgeError("is not a PDF that can be read, or it asks for a password") from error
    lines = [line for page in pages for line in page if line.size]
    if not lines:
        raise KnowledgeError("has no text (scanned pages?); run it through OCR first")
    usual = Counter(round(line.size, 1) for line in lines for _char in line.text).most_common(1)[0][0]
    sizes = sorted({round(line.size, 1) for line in lines if _is_heading(line, usual)}, reverse=True)
    repeated = Counter(line.text for line in lines)
    for number, page in enumerate(pages, 1):
        held: list[str] = []
        for line in page:
            if len(pages) > 2 and repeated[line.text] >= len(pages) - 1 and line.size:
                continue  # running heads and feet
            heading = bool(line.size) and _is_heading(line, usual)
            if heading or not line.size:
                yield from _joined(held, number)
                held = []
                level = 1 + min(5, sizes.index(round(line.size, 1))) if heading else 0
                yield Block(text=line.text, level=level, place=f"page {number}")
            else:
                held.append(line.text)
        yield from _joined(held, number)


class _Line:
    """A line of a page, or a whole table (size 0)."""

    def __init__(self, text: str, size: float, top: float) -> None:
        self.text, self.size, self.top = text, size, top


def _page(page: Any) -> list[_Line]:
    """Return lines and tables from top to bottom."""
    tables = page.find_tables()
    boxes = [table.bbox for table in tables]
    found = [_Line(table_text(table.extract()), 0.0, table.bbox[1]) for table in tables]
    for line in page.extract_text_lines(strip=True):
        middle = (line["top"] + line["bottom"]) / 2
        if any(box[1] <= middle <= box[3] and box[0] <= line["x0"] <= box[2] for box in boxes):
            continue
        sizes = Counter(round(char["size"], 1) for char in line["chars"])
        if line["text"].strip() and not re.fullmatch(r"[-–— ]*\d{1,4}[-–— ]*", line["text"]):
            found.append(_Line(line["text"].strip(), sizes.most_common(1)[0][0], line["top"]))
    return sorted(found, key=lambda line: line.top)


def _is_heading(line: _Line, usual: float) -> bool:
    return line.size > LARGER * usual and len(line.text) <= LONGEST_HEADING


def _joined(lines: list[str], page: int) -> Iterator[Block]:
    """Yield the lines of a paragraph as one; Chinese goes on without a space."""
    text = ""
    for line in lines:
        gap = " " if text and text[-1].isascii() and line[:1].isascii() else ""
        text += gap + line
        if text.endswith(("。", "！", "？", ".", "!", "?", "：", ":")):
            text += "\n"
    if text.strip():
        yield Block(text=re.sub(r"\n ", "\n", text).strip(), place=f"page {page}")
