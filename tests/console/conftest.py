"""What tests of the console share."""

from __future__ import annotations

from tests.integration.conftest import provider

__all__ = ["provider"]
