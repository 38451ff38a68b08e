"""What all parts of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Unknown keys are errors, nothing changes after reading, and errors show no values."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
