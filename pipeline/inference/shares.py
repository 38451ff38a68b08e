"""What each company has of a server: calls, and profiles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.errors import AtCapacity
from pipeline.sections.tenants import TenantSettings

LiveCalls = Mapping[str | None, int]
"""Live calls by company."""


class Shares:
    """Keeps for each company what is reserved for it.

    Args:
        tenants: what each company has.
    """

    def __init__(self, tenants: Mapping[str, TenantSettings]) -> None:
        self._tenants = tenants

    def take(self, tenants: Mapping[str, TenantSettings]) -> None:
        """Go by these settings from now on."""
        self._tenants = tenants

    def profiles(self, all_profiles: Iterable[str], tenant: str | None) -> tuple[str, ...]:
        """Return the profiles that calls of a company may name: its own, else those of no company."""
        own = self._tenants.get(tenant or "")
        if own is not None and own.profiles:
            return tuple(dict.fromkeys(("default", *own.profiles)))
        taken = {profile for other in self._tenants.values() for profile in other.profiles} - {"default"}
        return tuple(name for name in all_profiles if name not in taken)

    def only_for(self, profile: str, tenant: str) -> bool:
        """Tell whether calls of no other company can name a profile."""
        if not set(self._tenants) - {tenant}:
            return True
        mine = self._tenants.get(tenant)
        others = {name for other, its in self._tenants.items() if other != tenant for name in its.profiles}
        return mine is not None and profile in mine.profiles and profile not in {"default", *others}

    def check(self, live: LiveCalls, tenant: str | None) -> None:
        """Refuse a call of a company that has its most.

        Raises:
            AtCapacity: it has.
        """
        own = self._tenants.get(tenant or "")
        if own is not None and own.max_calls is not None and live.get(tenant, 0) >= own.max_calls:
            raise AtCapacity("all calls of this company are taken (tenants.max_calls)")

    def reserved(self, live: LiveCalls, tenant: str | None) -> int:
        """Return the calls that must stay free for the others when ``tenant`` begins one."""
        return sum(
            max(0, settings.reserved_calls - live.get(name, 0))
            for name, settings in self._tenants.items()
            if name != tenant
        )
