"""Who somebody is, as the connection proves; never from a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.access.permissions import Permission
from pipeline.sections.access import AccessRole


class AuthMethod(StrEnum):
    """How somebody proved who they are."""

    DEVELOPMENT = "development"
    CERTIFICATE = "certificate"
    OIDC = "oidc"
    API_TOKEN = "api-token"  # noqa: S105 (a name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A machine, a person or a script.

    Attributes:
        id: stable, unique over all methods and tenants: ``oidc:ISSUER:SUB``, ``certificate:URI``,
            ``api-token:PREFIX``.
        method: how that was proved.
        tenant: the company; None only for the development identity, which takes the one that requests name.
        roles: what it may do; see :mod:`pipeline.access.permissions`.
        agent_id: the ``StartCall.agent_id`` of this person; None without one.
        teams: the ``StartCall.team`` names of this person.
        only: permissions that the credential is narrowed to; None for all of the roles'.
        issued_at: of the credential, s since 1970 UTC; 0 where unknown.
        expires_at: of the credential, s since 1970 UTC; None where it does not expire.
        credential: name of the credential itself, for revocation; empty without one.
    """

    id: str
    method: AuthMethod
    tenant: str | None
    roles: frozenset[AccessRole]
    agent_id: str | None = None
    teams: frozenset[str] = frozenset()
    only: frozenset[Permission] | None = None
    issued_at: float = 0.0
    expires_at: float | None = None
    credential: str = ""


DEVELOPMENT = Principal(
    id="development", method=AuthMethod.DEVELOPMENT, tenant=None, roles=frozenset(AccessRole)
)
"""Whoever connects to a server that asks for no identity: on loopback only, or where told to be insecure."""
