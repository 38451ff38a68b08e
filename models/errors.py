"""The error of this package."""

from __future__ import annotations


class ModelError(Exception):
    """A model cannot be found, loaded or used; the message names the fix."""
