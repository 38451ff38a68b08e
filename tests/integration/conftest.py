"""What tests of whole servers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.access import provider as idp
from tests.access.provider import Provider


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """An OpenID provider on loopback."""
    with idp.running() as found:
        yield found
