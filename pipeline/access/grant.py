"""What a principal may do in one request. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.access.permissions import Permission, Scope, scope_of
from pipeline.access.principal import Principal
from pipeline.calls.reach import EVERYTHING, CallReach
from pipeline.errors import PermissionDenied


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A permission that somebody has.

    Attributes:
        principal: who.
        permission: which.
        scope: with whose calls.
    """

    principal: Principal
    permission: Permission
    scope: Scope

    @property
    def reach(self) -> CallReach:
        """The calls that it holds for."""
        who = self.principal
        if who.tenant is None:
            return EVERYTHING
        if self.permission is Permission.CALL_SEND:
            return CallReach(tenant=who.tenant, sender=who.id)
        if self.scope is Scope.TENANT:
            return CallReach(tenant=who.tenant)
        teams = who.teams if self.scope is Scope.TEAM else frozenset[str]()
        return CallReach(tenant=who.tenant, agent_id=who.agent_id, teams=teams)

    @property
    def own_only(self) -> bool:
        """Whether it holds for one's own calls and no others."""
        return self.scope is Scope.OWN

    def tenant(self, named: str | None) -> str | None:
        """Return the company that a request is about.

        Args:
            named: by the request; None where it names none.

        Raises:
            PermissionDenied: it names another one than the principal's.
        """
        own = self.principal.tenant
        if own is None:
            return named
        if named is not None and named != own:
            raise PermissionDenied("the request names a tenant that is not yours; leave it out")
        return own


def grant(principal: Principal, permission: Permission) -> Grant:
    """Return the permission as this principal has it.

    Raises:
        PermissionDenied: it has not.
    """
    scope = scope_of(principal.roles, permission)
    narrowed = principal.only is not None and permission not in principal.only
    if scope is None or narrowed:
        raise PermissionDenied(f"you lack the permission {permission}; ask whoever gives out roles")
    return Grant(principal=principal, permission=permission, scope=scope)
