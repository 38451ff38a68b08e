"""What is hidden of a call: settings."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from cantonese.personal import SECRETS, Category, Style
from pipeline.sections.base import Section


class RedactionSettings(Section):
    """Personal data in transcripts, and in everything that is made of them."""

    enabled: bool = Field(True, description="False hides nothing: for tests with made-up data alone")
    hide: tuple[Category, ...] = Field(
        tuple(Category), description="categories that are hidden; card and other secrets always are"
    )
    style: Style = Field(Style.CATEGORY, description="what stands in their place")
    agents_see: tuple[Category, ...] = Field(
        (), description="categories that agents see of their own live calls; never security codes, PINs"
    )
    public_numbers: tuple[str, ...] = Field(
        (), description="numbers of the company itself, such as hotlines: they stay readable"
    )

    @model_validator(mode="after")
    def _secrets_stay_secret(self) -> Self:
        shown = SECRETS & set(self.agents_see)
        if shown:
            raise ValueError(f"redaction.agents_see: {', '.join(sorted(shown))} is never shown to anybody")
        if any(not number.isdigit() or not number.isascii() for number in self.public_numbers):
            raise ValueError("redaction.public_numbers: digits only, without spaces")
        return self

    @property
    def hidden(self) -> frozenset[Category]:
        """Categories that are hidden."""
        return frozenset(self.hide) | SECRETS | {Category.CARD} if self.enabled else frozenset()
