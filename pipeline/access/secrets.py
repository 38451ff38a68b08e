"""Secrets that programs of an installation know each other by."""

from __future__ import annotations

import secrets


def same_secret(secret: str, shown: str | None) -> bool:
    """Compare a secret with what somebody shows, in a time that tells nothing; they may show anything."""
    return shown is not None and secrets.compare_digest(secret.encode(), shown.encode("utf-8", "replace"))
