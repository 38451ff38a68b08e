"""Who may reach a server: settings."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pipeline.sections.base import Section

TENANT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_SPIFFE = re.compile(r"spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+|/\{tenant\})*(/\*)?")


class AccessRole(StrEnum):
    """What somebody's work is; what each may do is in ``pipeline/access/permissions.py``."""

    TELEPHONY = "telephony"
    AGENT = "agent"
    TEAM_LEAD = "team-lead"
    SUPERVISOR = "supervisor"
    QUALITY = "quality"
    PRIVACY_OFFICER = "privacy-officer"
    ML_ENGINEER = "ml-engineer"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class IssuerSettings(Section):
    """An OpenID Connect provider whose access tokens are believed."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="unique; part of every identity")
    issuer: str = Field(description="the iss of its tokens, an https address")
    audience: str = Field(min_length=1, description="the aud that tokens for this server have")
    jwks_url: str | None = Field(
        None, description="address of its keys; found by OpenID discovery when not set"
    )
    algorithms: tuple[Literal["ES256", "RS256", "EdDSA"], ...] = Field(
        ("ES256", "RS256", "EdDSA"), min_length=1, description="signatures that are believed"
    )
    tenant: str | None = Field(None, pattern=TENANT, description="the company of all its people")
    tenant_claim: str | None = Field(None, description="or the claim that names it; dots go deeper")
    roles_claim: str = Field("roles", description="claim with their roles or groups; dots go deeper")
    roles: dict[str, AccessRole] = Field(
        default_factory=dict, description="from a value of that claim to a role; as they are when empty"
    )
    agent_claim: str = Field("sub", description="claim that equals StartCall.agent_id")
    teams_claim: str = Field("teams", description="claim with their teams, as in StartCall.team")
    leeway_s: float = Field(30.0, ge=0, le=300, description="s by which its clock may differ")

    @staticmethod
    def checked_address(url: str) -> str:
        """Return an address that may be asked for keys.

        Raises:
            ValueError: whoever is on the way could answer in its place.
        """
        parts = urlsplit(url)
        near = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not parts.hostname or parts.scheme not in (("http", "https") if near else ("https",)):
            raise ValueError("must be an https address (http only on this machine)")
        return url

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return None if url is None else cls.checked_address(url)

    @model_validator(mode="after")
    def _one_tenant(self) -> IssuerSettings:
        if (self.tenant is None) == (self.tenant_claim is None):
            raise ValueError("set one of tenant and tenant_claim: everybody belongs to one company")
        return self


class CertificateSettings(Section):
    """Machines that are known by their certificate."""

    uri: str | None = Field(
        None,
        description="SPIFFE id: exact, or ending in /*; one part may be {tenant}, such as "
        "spiffe://centre.example/{tenant}/pbx/*",
    )
    common_name: str | None = Field(None, min_length=1, description="or the subject's common name, exact")
    tenant: str | None = Field(None, pattern=TENANT, description="the company, unless the uri has {tenant}")
    roles: tuple[AccessRole, ...] = Field(
        (AccessRole.TELEPHONY,), min_length=1, description="what such a machine may do"
    )

    @model_validator(mode="after")
    def _usable(self) -> CertificateSettings:
        if (self.uri is None) == (self.common_name is None):
            raise ValueError("set one of uri and common_name")
        if self.uri is not None and (not _SPIFFE.fullmatch(self.uri) or self.uri.count("{tenant}") > 1):
            raise ValueError("uri must be a SPIFFE id, such as spiffe://centre.example/bank/pbx-1")
        if (self.tenant is None) == ("{tenant}" not in (self.uri or "")):
            raise ValueError("set tenant, or put {tenant} into uri; not both")
        return self


class AccessSettings(Section):
    """Who may do what."""

    identity: Literal["auto", "required", "development"] = Field(
        "auto",
        description="required asks everybody who they are; development asks nobody; auto is development "
        "on loopback while no issuer and no certificate is named, else required",
    )
    insecure: bool = Field(
        False, description="True allows a public address without TLS or without identity (--insecure)"
    )
    issuers: tuple[IssuerSettings, ...] = Field((), max_length=20, description="OpenID Connect providers")
    certificates: tuple[CertificateSettings, ...] = Field((), max_length=500, description="machines")
    store: str = Field(
        "~/.local/share/yuetone/access.db",
        description="SQLite file, or a URL such as postgresql://host/name; API tokens and revocations",
    )
    requests_per_s: float = Field(
        200.0, gt=0, description="requests that one principal may begin a second, on average"
    )
    streams_per_principal: int = Field(1000, ge=1, description="streams that one principal may hold at once")

    @field_validator("store", mode="before")
    @classmethod
    def _path(cls, store: object) -> object:
        return str(store) if isinstance(store, Path) else store

    @field_validator("issuers")
    @classmethod
    def _one_name_each(cls, issuers: tuple[IssuerSettings, ...]) -> tuple[IssuerSettings, ...]:
        for values in ([issuer.name for issuer in issuers], [issuer.issuer for issuer in issuers]):
            if len(set(values)) < len(values):
                raise ValueError("two issuers have the same name or the same address")
        return issuers
