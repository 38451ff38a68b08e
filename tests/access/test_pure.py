"""Permissions, scopes, certificates, exposure: no server."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from pydantic import ValidationError

import yuetone.v1
from pipeline.access.certificates import machine_of
from pipeline.access.exposure import exposure_of, is_near
from pipeline.access.grant import grant
from pipeline.access.permissions import ROLES, Permission, Scope, scope_of
from pipeline.access.principal import DEVELOPMENT, AuthMethod, Principal
from pipeline.calls.info import CallInfo
from pipeline.config import ServerSettings
from pipeline.errors import PermissionDenied, SettingsError
from pipeline.rpc.methods import METHODS
from pipeline.sections.access import AccessRole, AccessSettings, CertificateSettings, IssuerSettings

EVERYWHERE = "0.0.0.0"  # noqa: S104 (that is what is refused)
V1 = Path(yuetone.v1.__file__).parent
FILES = [importlib.import_module(f"yuetone.v1.{path.stem}") for path in V1.glob("*_service_pb2.py")]
"""Whatever service there is."""


def who(*roles: AccessRole, **fields: object) -> Principal:
    values = {"id": "p", "method": AuthMethod.OIDC, "tenant": "bank", "roles": frozenset(roles), **fields}
    return Principal(**values)  # type: ignore[arg-type]


def call(**fields: object) -> CallInfo:
    values = {"call_id": "c", "tenant": "bank", "team": "cards", "agent_id": "a1", "sender": "pbx", **fields}
    return CallInfo(**values)  # type: ignore[arg-type]


def test_every_method_has_a_permission_and_no_other_has() -> None:
    there = {
        f"/{service.full_name}/{method.name}"
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        if service.name != "RecogniserService"  # of the pool, which asks for a secret and knows nobody
        for method in service.methods
    }
    assert there == set(METHODS)
    within = {Permission.PERSONAL_DATA}  # not of a method: of what is read by one
    assert {rule.permission for rule in METHODS.values()} == set(Permission) - within


def test_every_role_is_in_the_table() -> None:
    assert set(ROLES) == set(AccessRole)
    for permissions in ROLES.values():
        assert Permission.IDENTITY_SHOW in permissions


def test_the_widest_scope_counts() -> None:
    both = frozenset({AccessRole.AGENT, AccessRole.TEAM_LEAD})
    assert scope_of(both, Permission.CALL_WATCH) is Scope.TEAM
    assert scope_of(both, Permission.CALL_SEND) is None


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        (AccessRole.AGENT, {"own"}),
        (AccessRole.TEAM_LEAD, {"own", "team"}),
        (AccessRole.SUPERVISOR, {"own", "team", "company"}),
    ],
)
def test_whose_calls_somebody_sees(role: AccessRole, seen: set[str]) -> None:
    calls = {
        "own": call(agent_id="me", team="loans"),
        "team": call(agent_id="a1"),
        "company": call(agent_id="a2", team="loans"),
        "other": call(tenant="telecom", agent_id="me"),
        "nobody's": call(agent_id=None, team=None, tenant="telecom"),
    }
    given = grant(who(role, agent_id="me", teams=frozenset({"cards"})), Permission.CALL_WATCH)
    assert {name for name, info in calls.items() if given.reach.takes(info)} == seen


def test_nobody_in_particular_owns_no_call() -> None:
    given = grant(who(AccessRole.AGENT), Permission.CALL_WATCH)
    assert not given.reach.takes(call(agent_id=None))


def test_a_company_cannot_be_chosen() -> None:
    given = grant(who(AccessRole.SUPERVISOR), Permission.CALL_LIST)
    assert given.tenant(None) == given.tenant("bank") == "bank"
    for other in ("telecom", "", "Bank"):
        with pytest.raises(PermissionDenied):
            given.tenant(other)
    assert grant(DEVELOPMENT, Permission.CALL_LIST).tenant("telecom") == "telecom"


def test_a_credential_can_be_narrowed() -> None:
    narrow = who(AccessRole.SUPERVISOR, only=frozenset({Permission.CALL_LIST}))
    assert grant(narrow, Permission.CALL_LIST).scope is Scope.TENANT
    with pytest.raises(PermissionDenied):
        grant(narrow, Permission.CALL_WATCH)


def test_machines_by_certificate() -> None:
    rules = (
        CertificateSettings(uri="spiffe://centre.example/{tenant}/pbx/*"),
        CertificateSettings(
            uri="spiffe://centre.example/bank/desk", tenant="bank", roles=(AccessRole.AGENT,)
        ),
        CertificateSettings(common_name="old-pbx", tenant="telecom"),
    )

    def found(
        uri: str | None = None, name: str | None = None
    ) -> tuple[str | None, frozenset[AccessRole]] | None:
        machine = machine_of(rules, (uri,) if uri else (), name)
        return None if machine is None else (machine.tenant, machine.roles)

    telephony = frozenset({AccessRole.TELEPHONY})
    assert found("spiffe://centre.example/bank/pbx/1") == ("bank", telephony)
    assert found("spiffe://centre.example/telecom/pbx/9") == ("telecom", telephony)
    assert found("spiffe://centre.example/bank/desk") == ("bank", frozenset({AccessRole.AGENT}))
    assert found(name="old-pbx") == ("telecom", telephony)
    for uri in (
        "spiffe://centre.example/bank/pbx/",
        "spiffe://centre.example/bank/pbx/1/2",
        "spiffe://centre.example/a/b/pbx/1",
        "spiffe://centre.example/bank/pbx/1\nx",
        "spiffe://other.example/bank/pbx/1",
        "spiffe://centreXexample/bank/pbx/1",
        "https://centre.example/bank/pbx/1",
    ):
        assert found(uri) is None, uri
    assert found(name="old-pbx ") is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"uri": "spiffe://x/{tenant}/pbx", "tenant": "bank"},
        {"uri": "spiffe://x/pbx"},
        {"uri": "spiffe://x/{tenant}/{tenant}"},
        {"uri": "spiffe://x/.*", "tenant": "bank"},
        {"uri": "http://x/pbx", "tenant": "bank"},
        {"common_name": "x"},
        {"common_name": "x", "tenant": "no spaces"},
    ],
)
def test_rules_for_certificates_are_checked(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CertificateSettings(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"tenant": None},
        {"tenant_claim": "company"},
        {"issuer": "http://idp.example"},
        {"jwks_url": "http://idp.example/keys"},
        {"algorithms": ("HS256",)},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"audience": ""},
    ],
)
def test_issuers_are_checked(fields: dict[str, object]) -> None:
    usual = {"name": "staff", "issuer": "https://idp.example", "audience": "yuetone", "tenant": "bank"}
    assert IssuerSettings(**usual).tenant == "bank"
    with pytest.raises(ValidationError):
        IssuerSettings(**{**usual, **fields})


CERTIFICATE = {"tls_certificate": __file__, "tls_key": __file__}  # files that exist; not read here
NAMED = {"certificates": [{"common_name": "pbx", "tenant": "bank"}]}


@pytest.mark.parametrize(
    ("server", "access", "development"),
    [
        ({}, {}, True),
        ({"host": "::1"}, {}, True),
        ({"host": "unix:/run/yuetone.sock"}, {}, True),
        ({}, NAMED, False),
        ({}, {"identity": "required"}, False),
        ({}, {**NAMED, "identity": "development"}, True),
        ({"host": EVERYWHERE, **CERTIFICATE}, {}, False),
        ({"host": EVERYWHERE, **CERTIFICATE}, NAMED, False),
        ({"host": "asr.example", **CERTIFICATE}, {}, False),
        ({"host": EVERYWHERE}, {"insecure": True}, True),
        ({"host": EVERYWHERE}, {**NAMED, "insecure": True}, False),
    ],
)
def test_who_is_asked_who_they_are(
    server: dict[str, str], access: dict[str, object], development: bool
) -> None:
    found = exposure_of(ServerSettings(**server), AccessSettings(**access))
    assert found.development is development
    assert any("nobody is asked" in warning for warning in found.warnings) is development


@pytest.mark.parametrize(
    ("server", "access"),
    [
        ({"host": EVERYWHERE}, {}),
        ({"host": "[::]"}, NAMED),
        ({"host": "192.168.1.4"}, {"identity": "required"}),
        ({"host": EVERYWHERE, **CERTIFICATE}, {"identity": "development"}),
        ({"metrics_host": EVERYWHERE}, {}),
    ],
)
def test_a_public_address_needs_tls_and_identity(server: dict[str, str], access: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="--insecure"):
        exposure_of(ServerSettings(**server), AccessSettings(**access))


def test_what_is_near() -> None:
    assert all(map(is_near, ("127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]", "unix:/x")))
    assert not any(map(is_near, (EVERYWHERE, "::", "10.0.0.1", "localhost.example", "asr.example", "")))
