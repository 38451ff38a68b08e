"""Columns of a table and what may stand in them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from suggest.base import Article

TEXTS = ("category", "question_zh", "answer_zh", "question_en", "answer_en", "source", "place", "uri")
LISTS = ("keywords", "synonyms", "tags")
DAYS = ("valid_from", "valid_until")
COLUMNS = ("id", "tenant", *TEXTS, *LISTS, *DAYS)
TEMPLATE = ("id", "category", "question_zh", "answer_zh", "question_en", "answer_en")
LONGEST_ID = 200
LONGEST_TENANT = 128
LONGEST_TEXT = 20_000

_ALIASES = {
    "id": ("編號", "編碼", "文章編號", "no", "no.", "number", "article_id", "ref"),
    "category": ("類別", "分類", "類型", "主題", "topic", "section"),
    "question_zh": (
        "問題",
        "中文問題",
        "問題(中文)",
        "標題",
        "question_chinese",
        "question_tc",
        "question (zh)",
    ),
    "answer_zh": (
        "答案",
        "中文答案",
        "答案(中文)",
        "回覆",
        "內容",
        "answer_chinese",
        "answer_tc",
        "answer (zh)",
    ),
    "question_en": ("英文問題", "問題(英文)", "question", "question_english", "question (en)", "title"),
    "answer_en": ("英文答案", "答案(英文)", "answer", "answer_english", "answer (en)", "content"),
    "keywords": ("關鍵字", "關鍵詞", "keyword"),
    "synonyms": ("同義詞", "其他問法", "相似問題", "synonym", "variants"),
    "tags": ("標籤", "tag", "labels"),
    "valid_from": ("生效日期", "開始日期", "start_date", "effective_from"),
    "valid_until": ("失效日期", "到期日", "截止日期", "end_date", "expiry", "expires"),
    "source": ("來源", "文件", "document"),
    "place": ("位置", "頁碼", "page"),
    "uri": ("網址", "連結", "url", "link"),
    "tenant": ("公司", "租戶", "company"),
}
_BY_NAME = {alias: column for column, aliases in _ALIASES.items() for alias in (column, *aliases)}
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T].*)?$")
_DAY_FIRST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})$")
_SERIAL = re.compile(r"\d{5}(\.\d+)?$")
_SERIAL_FROM = date(1899, 12, 30)
"""Day 0 of Excel, with its leap day of 1900 that never was (ECMA-376, 18.17.4.1)."""
_GUARDED = re.compile(r"'[=+\-@\t\r]")


_MARKS = re.compile(r"[*＊:：\s]+$|^[*＊\s]+|[(（](必填|必須|選填|required|optional)[)）]", re.IGNORECASE)


class CellError(ValueError):
    """A cell that cannot be taken; ``column`` is ours."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def header_text(cell: object) -> str:
    """Return a header without the marks that forms put on it: stars, colons, (必填)."""
    text = unicodedata.normalize("NFKC", "" if cell is None else str(cell))
    return _MARKS.sub("", " ".join(text.split())).strip()


def column_of(header: str, mapping: Mapping[str, str]) -> str | None:
    """Return our column for a header of the file; None if there is none."""
    plain = header_text(header)
    chosen = {header_text(theirs): ours for theirs, ours in mapping.items()}
    if plain in chosen:
        return chosen[plain]
    known = _known(plain)
    return None if known in chosen.values() else known


def _known(plain: str) -> str | None:
    return _BY_NAME.get(re.sub(r"[\s\-]+", "_", plain.lower())) or _BY_NAME.get(plain.lower())


def article_of(cells: Mapping[str, Any], tenant: str) -> Article:
    """Return the article of a row.

    Args:
        cells: by our columns.
        tenant: if the row names none.

    Raises:
        CellError: a cell is missing or wrong.
    """
    values: dict[str, Any] = {name: _text(name, cells.get(name)) for name in TEXTS}
    values |= {name: _list(name, cells.get(name)) for name in LISTS}
    values |= {name: _day(name, cells.get(name)) for name in DAYS}
    article_id = _text("id", cells.get("id"))
    if not article_id:
        raise CellError("id", "is empty; every article needs an id that stays the same")
    if len(article_id) > LONGEST_ID or any(char in article_id for char in "\n\t"):
        raise CellError("id", f"must be one line of at most {LONGEST_ID} characters")
    owner = _text("tenant", cells.get("tenant")) or tenant
    if len(owner) > LONGEST_TENANT:
        raise CellError("tenant", f"is longer than {LONGEST_TENANT} characters")
    article = Article(id=article_id, tenant=owner, **values)
    _check(article)
    return article


def _check(article: Article) -> None:
    for language in ("zh", "en"):
        question = getattr(article, f"question_{language}")
        if question and not getattr(article, f"answer_{language}"):
            raise CellError(f"answer_{language}", "is empty, but there is a question in that language")
    if not article.answer_zh and not article.answer_en:
        raise CellError("answer_zh", "is empty; an article needs an answer in at least one language")
    if not article.question_zh and not article.question_en:
        raise CellError("question_zh", "is empty; an article needs a question in at least one language")
    if ":" in article.uri and not re.match(r"(?:https?|file)://", article.uri, re.IGNORECASE):
        raise CellError("uri", "must be an http, https or file address, or a path")
    if article.valid_from and article.valid_until and article.valid_until < article.valid_from:
        raise CellError("valid_until", "is before valid_from")


def _text(column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a workbook's 17.0 is the 17 that people see
    text = unicodedata.normalize("NFC", str(value)).replace("\r\n", "\n").replace("\r", "\n")
    if _GUARDED.match(text):  # as our own export, and careful people, keep spreadsheets from calculating
        text = text[1:]
    text = "".join(char for char in text if char in "\n\t" or char.isprintable() or char == "\u3000").strip()
    if len(text) > LONGEST_TEXT:
        raise CellError(column, f"is longer than {LONGEST_TEXT} characters; split the article")
    return text


def _list(column: str, value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        parts = [_text(column, part) for part in value]
    else:
        text = _text(column, value)
        apart = r"[;；|\n]" if re.search(r"[;；|\n]", text) else r"、|,(?!\d)|，"
        parts = [part.strip() for part in re.split(apart, text)]
    return tuple(dict.fromkeys(part for part in parts if part))


def _day(column: str, value: object) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = _text(column, value)
    found, swapped = _DAY.match(text), _DAY_FIRST.match(text)
    try:
        if found:
            return date(int(found[1]), int(found[2]), int(found[3]))
        if swapped:
            year = int(swapped[3]) + (2000 if len(swapped[3]) == 2 else 0)
            return date(year, int(swapped[2]), int(swapped[1]))
        if _SERIAL.match(text):
            return _SERIAL_FROM + timedelta(days=int(float(text)))
    except ValueError:
        pass
    raise CellError(column, "is not a day such as 2026-12-31 or 31/12/2026")
