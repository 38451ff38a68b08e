"""How much one principal may ask for at once, and in a second; for one event loop."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.access.principal import AuthMethod, Principal
from pipeline.access.remembered import Remembered
from pipeline.errors import AtCapacity
from pipeline.sections.access import AccessSettings

BURST_S = 10.0
"""Requests of so many seconds may come at once."""
MOST_REMEMBERED = 4096
"""Principals whose requests are counted; whoever was longest silent begins anew."""


class PrincipalLimits:
    """Limits of each principal; the development identity, which is everybody, has none.

    Args:
        settings: of access.
        clock: s, monotonic.
    """

    def __init__(self, settings: AccessSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._left: Remembered[str, tuple[float, float]] = Remembered(MOST_REMEMBERED)

    def check_rate(self, principal: Principal) -> None:
        """Count a request (token bucket).

        Raises:
            AtCapacity: it is one too many.
        """
        if principal.method is AuthMethod.DEVELOPMENT:
            return
        per_s, now = self._settings.requests_per_s, self._clock()
        most = max(1.0, per_s * BURST_S)
        left, at = self._left.get(principal.id) or (most, now)
        left = min(most, left + (now - at) * per_s)
        if left < 1:
            raise AtCapacity("too many requests of this identity (access.requests_per_s)")
        self._left.put(principal.id, (left - 1, now))

    def check_streams(self, principal: Principal, streams: int) -> None:
        """Refuse a stream.

        Args:
            principal: whose.
            streams: that they have with it.

        Raises:
            AtCapacity: it is one too many.
        """
        development = principal.method is AuthMethod.DEVELOPMENT
        if streams > self._settings.streams_per_principal and not development:
            raise AtCapacity("too many streams of this identity (access.streams_per_principal)")
