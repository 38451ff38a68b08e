"""From groups of errors to the one that an operator can mend."""

from __future__ import annotations

from collections.abc import Iterator

from models import ModelError
from pipeline.errors import SettingsError
from suggest.base import KnowledgeError


def plain(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what the operator can mend as one plain error, anything else as it is."""
    leaves = list(_leaves(group))
    for error in leaves:
        if isinstance(error, SettingsError):
            return error
        if isinstance(error, ModelError):
            return SettingsError(f"asr.model: {error}")
        if isinstance(error, KnowledgeError):
            return SettingsError(f"suggest: {error}")
    return leaves[0] if len(leaves) == 1 else group


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
