"""May another call come? From what a call costs, measured before the first one, and what the server does now.

What was admitted a moment ago is in no figure yet: when everybody reconnects at once, each caller would
find the server idle. So a call counts at its measured cost until it has been heard for a while.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from pipeline.config import LimitSettings
from pipeline.errors import AtCapacity
from pipeline.inference.admission import ServerLoad, carries, slots
from pipeline.inference.recogniser import Recogniser
from pipeline.inference.shares import LiveCalls, Shares
from pipeline.inference.ticker import BatchTicker

CHANNELS = 2
"""Channels of the call whose cost is known."""
HEARD_S = 12.0
"""Age at which a call is wholly in the figures: it has spoken, and the averages of 5 s have seen it."""
WARMING_CALLS = 4
"""Calls for each core that are taken before the recogniser is loaded and its cost known."""
SAMPLE_S = 1.0
WINDOW_S = 5.0
"""Time over which the event loop's use is averaged, as the recogniser's is."""
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> float:
    """Return the cores that this process may use: its affinity, and the quota of its container."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        allowed, period = quota.read_text("ascii").split()
        return min(cores, int(allowed) / int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return cores


class Capacity:
    """Admits calls; for one event loop.

    Args:
        limits: of the server.
        scheduler: the recogniser.
        ticker: tells how late the event loop is.
        clock: s, monotonic.
        cpu: s of processor time that the calling thread has used.
        cores: that the process may use; None asks the system.
        shares: what each company has of the server.
    """

    def __init__(
        self,
        limits: LimitSettings,
        scheduler: Recogniser,
        ticker: BatchTicker,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
        cores: float | None = None,
        shares: Shares | None = None,
    ) -> None:
        self._shares = shares or Shares({})
        self._limits = limits
        self._scheduler = scheduler
        self._ticker = ticker
        self._clock = clock
        self._cpu = cpu
        self._cores = usable_cores() if cores is None else cores
        self._wait_s = limits.max_final_wait_ms / 1000 or math.inf
        self._samples: deque[tuple[float, float]] = deque(maxlen=int(WINDOW_S / SAMPLE_S) + 1)
        self._admitted: deque[tuple[float, float]] = deque(maxlen=4096)  # when, and how much of a whole call

    async def run(self) -> None:
        """Watch the event loop's use of the processor until cancelled."""
        while True:
            self._samples.append((self._clock(), self._cpu()))
            await asyncio.sleep(SAMPLE_S)

    @property
    def calls(self) -> int:
        """Calls that the server takes at once; 0 while that is not known."""
        cost = self._scheduler.cost
        carried = slots(cost, self._cores, self._wait_s) if cost is not None else 0
        limit = self._limits.max_calls
        return carried if limit is None else min(limit, carried or limit)

    def admit(self, live: LiveCalls, channels: int = CHANNELS, tenant: str | None = None) -> None:
        """Note that one more call comes.

        Args:
            live: calls now, by company.
            channels: of the one that comes.
            tenant: its company.

        Raises:
            AtCapacity: it must not. The message tells nothing of other companies.
        """
        self._shares.check(live, tenant)
        reserved = self._shares.reserved(live, tenant)
        share, calls = channels / CHANNELS, sum(live.values())
        limit = self._limits.max_calls
        if limit is not None and calls + reserved >= limit:
            raise AtCapacity("all calls are taken (limits.max_calls, tenants.reserved_calls)")
        if self._limits.max_final_wait_ms and calls + reserved:
            self._check_wait(calls + reserved)
            self._check_load(calls + reserved, share + reserved)
        self._admitted.append((self._clock(), share))

    def _check_wait(self, calls: int) -> None:
        predicted = self._scheduler.predicted_wait_s(calls, self._ticker.lag_s)
        if predicted > self._wait_s:
            raise AtCapacity(
                f"with one more call, finals would wait more than {self._wait_s * 1000:.0f} ms "
                "(limits.max_final_wait_ms); try another server"
            )

    def _check_load(self, calls: int, share: float) -> None:
        if not self._scheduler.measures:
            return
        cost = self._scheduler.cost
        if cost is None:
            if calls >= WARMING_CALLS * self._cores:
                raise AtCapacity("the recogniser is being loaded; try again, or another server")
            return
        if not carries(
            cost, self._load(), unheard=self._unheard() + share, cores=self._cores, wait_s=self._wait_s
        ):
            raise AtCapacity(
                "one more call is more than this processor carries "
                "(limits.max_final_wait_ms); try another server"
            )

    def _load(self) -> ServerLoad:
        finals = self._scheduler.load(finals_only=True)
        return ServerLoad(finals=finals, partials=self._scheduler.load() - finals, loop=self._loop())

    def _loop(self) -> float:
        """Return the share of a core that the event loop has used lately."""
        if not self._samples:
            return 0.0
        at, spent = self._samples[0]
        return (self._cpu() - spent) / max(SAMPLE_S, self._clock() - at)

    def _unheard(self) -> float:
        """Return how many calls are in no figure yet; one that is heard in part counts in part."""
        now = self._clock()
        while self._admitted and now - self._admitted[0][0] >= HEARD_S:
            self._admitted.popleft()
        return sum(share * (1 - (now - at) / HEARD_S) for at, share in self._admitted)
