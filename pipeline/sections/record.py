"""What is kept of calls: settings."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.sections.base import Section

CLASS_NAME = r"^[a-z][a-z0-9-]{0,31}$"


class Kept(StrEnum):
    """What is kept of a call."""

    NOTHING = "nothing"
    TEXT = "text"
    ALL = "text-and-sound"


class Durability(StrEnum):
    """What comes first: telling, or keeping."""

    RELAXED = "relaxed"
    STRICT = "strict"


class RetentionSettings(Section):
    """How long the calls of a class are kept. Ask your compliance officer: docs/record.md names the rules."""

    keep_days: float = Field(gt=0, le=36_525, description="days after its end when a call is erased")
    least_days: float = Field(
        0.0, ge=0, le=36_525, description="days before which nobody may erase it: a law says so"
    )
    original_days: float = Field(
        0.0,
        ge=0,
        le=36_525,
        description="days for which what was hidden is kept too, under a key of its own; reading it needs a "
        "second person; 0 keeps none",
    )

    @model_validator(mode="after")
    def _in_order(self) -> RetentionSettings:
        if self.least_days > self.keep_days:
            raise ValueError("least_days is more than keep_days")
        if self.original_days > self.keep_days:
            raise ValueError("original_days is more than keep_days")
        return self


class RecordSettings(Section):
    """The record of calls: what was said, redacted, under keys that are kept elsewhere."""

    enabled: bool = Field(False, description="True keeps calls; needs keys and at least one class")
    folder: Path = Field(
        Path("~/.local/share/yuetone/record"), description="where calls are kept; one folder a company"
    )
    store: str | None = Field(
        None, description="URL such as postgresql://host/name; SQLite files in the folder when not set"
    )
    keys: str = Field(
        "~/.local/share/yuetone/record-keys/keys.db",
        description="store of the calls' keys, a SQLite file or a URL; never in the same backup as the calls",
    )
    key_file: Path | None = Field(
        None, description="master keys, 0600, from 'yuetone record new-key'; or one of the next two"
    )
    key_command: tuple[str, ...] = Field(
        (), description="program that prints the same lines, such as a client of your key service"
    )
    key: SecretStr | None = Field(
        None, description="the same lines; best from the environment: YUETONE_RECORD__KEY"
    )
    classes: dict[str, RetentionSettings] = Field(
        default_factory=dict, description="how long calls are kept, by class; there is no default"
    )
    agents_see_days: float = Field(
        7.0,
        ge=0,
        description="days for which agents can read their own calls",
    )
    original_hours: float = Field(
        24.0, gt=0, le=720, description="h for which originals can be read once a second person has agreed"
    )
    opus_after_hours: float | None = Field(
        1.0, ge=0.25, description="h behind its end when a call's sound is packed as Opus; null keeps G.711"
    )
    llm_summaries: bool = Field(
        False, description="True lets the model of suggest.llm word summaries too; it is sent redacted words"
    )
    waiting_mb: int = Field(
        64, ge=1, le=4096, description="MB that may wait for a disk that stalls; beyond, calls go on unkept"
    )

    @field_validator("keys", mode="before")
    @classmethod
    def _path(cls, keys: object) -> object:
        return str(keys) if isinstance(keys, Path) else keys

    @model_validator(mode="after")
    def _usable(self) -> RecordSettings:
        if not self.enabled:
            return self
        if self.store is not None and not self.store.startswith("postgresql"):
            raise ValueError(
                "record.store: a URL such as postgresql://host/name, or nothing for SQLite files"
            )
        if self.store is not None and self.store == self.keys:
            raise ValueError("record.keys: keep the keys in another database than the calls")
        if sum((self.key_file is not None, bool(self.key_command), self.key is not None)) != 1:
            raise ValueError(
                "set one of record.key_file, record.key_command and record.key; make a key with "
                "'yuetone record new-key FILE'"
            )
        if not self.classes:
            raise ValueError(
                "record.classes: name at least one class and its keep_days, such as "
                "[record.classes.service] keep_days = 180"
            )
        return self


class ProfileRecordSettings(Section):
    """What is kept of the calls of a profile."""

    keep: Kept = Field(Kept.ALL, description="where the record is enabled")
    retention: str | None = Field(
        None, pattern=CLASS_NAME, description="class, unless StartCall names one; the only one when not set"
    )
    durability: Durability = Field(
        Durability.RELAXED, description="strict tells a final only once it is on disk"
    )
