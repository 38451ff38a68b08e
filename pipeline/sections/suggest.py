"""Settings about reply suggestions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.sections.base import Section


class LlmSettings(Section):
    """A language model that words suggestions, behind any OpenAI-compatible endpoint."""

    base_url: str | None = Field(
        None, description="http or https address up to and with /v1; none turns it off"
    )
    model: str = Field("", description="name of the model there")
    key: SecretStr | None = Field(None, description="best from the environment: YUETONE_SUGGEST__LLM__KEY")
    timeout_s: float = Field(
        6.0, gt=0, le=60, description="s for a whole draft; the article's answer is there at once"
    )
    max_tokens: int = Field(300, ge=16, le=4000, description="of one draft")
    max_drafts_per_call: int = Field(
        40, ge=0, description="further suggestions of a call keep the article's words"
    )

    @field_validator("base_url", mode="before")
    @classmethod
    def _nowhere(cls, url: object) -> object:
        return None if url in ("", "null", "none") else url  # TOML and environment have no null

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError("not an http or https address")
        return url

    @model_validator(mode="after")
    def _has_model(self) -> LlmSettings:
        if self.base_url and not self.model:
            raise ValueError("suggest.llm.base_url needs suggest.llm.model")
        return self


class SuggestSettings(Section):
    """Replies from the company's own knowledge base."""

    enabled: bool = Field(True, description="False suggests nothing")
    store: str = Field(
        "~/.local/share/yuetone/knowledge.db",
        description="SQLite file, or URL such as postgresql://host/name",
    )
    index: Path | None = Field(None, description="folder of the search index; beside the store when not set")
    tables: tuple[Path, ...] = Field((), description="TOML files with further words (docs/knowledge-base.md)")
    weights: Path | None = Field(None, description="of the reranker, from scripts.finetune.retrieval.tune")
    threshold: float | None = Field(
        None, ge=0, le=1, description="least confidence of a suggestion; the learned one when not set"
    )
    encoder: Path | None = Field(None, description="ONNX sentence encoder; none by default")
    follow_s: float = Field(0.5, gt=0, le=60, description="s between looks for new articles")
    record: bool = Field(True, description="False keeps neither feedback nor questions without an answer")
    keep_days: float = Field(
        30.0, gt=0, description="days after which such questions and agents' texts are deleted"
    )
    llm: LlmSettings = LlmSettings()


class ProfileSuggestSettings(Section):
    """What suggestions a call gets."""

    enabled: bool = Field(True, description="False suggests nothing in these calls")
    partials: bool = Field(
        True, description="suggest while the customer still speaks, where that is certain enough"
    )
    most: int = Field(3, ge=1, le=3, description="suggestions shown at once")
    language: Literal["follow", "zh-Hant", "en"] = Field(
        "follow", description="of replies; follow is the customer's, Chinese at first"
    )
    llm: bool = Field(True, description="False keeps the articles' words in these calls")
