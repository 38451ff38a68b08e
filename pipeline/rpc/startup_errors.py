"""From groups of errors to the one that an operator can mend."""

from __future__ import annotations

from models import ModelError
from pipeline.errors import SettingsError, leaves
from suggest.base import KnowledgeError


def plain(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what the operator can mend as one plain error, anything else as it is."""
    found = list(leaves(group))
    for error in found:
        if isinstance(error, SettingsError):
            return error
        if isinstance(error, ModelError):
            return SettingsError(f"asr.model: {error}")
        if isinstance(error, KnowledgeError):
            return SettingsError(f"suggest: {error}")
    return found[0] if len(found) == 1 else group
