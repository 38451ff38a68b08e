"""Machines, by the certificate of their connection. Pure."""

from __future__ import annotations

import re

from pipeline.access.principal import AuthMethod, Principal
from pipeline.sections.access import CertificateSettings

_TENANT = "(?P<tenant>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"
_REST = "[A-Za-z0-9._-]+"


def machine_of(
    rules: tuple[CertificateSettings, ...], uris: tuple[str, ...], common_name: str | None
) -> Principal | None:
    """Return the machine that a certificate names.

    Args:
        rules: the first that fits counts.
        uris: URI names of the certificate (subjectAltName).
        common_name: of its subject.

    Returns:
        Who it is; None where no rule fits.
    """
    for rule in rules:
        if rule.common_name is not None:
            if rule.common_name == common_name and rule.tenant is not None:
                return _machine(f"certificate:CN={common_name}", rule.tenant, rule)
            continue
        for uri in uris:
            found = _pattern(rule.uri or "").fullmatch(uri)
            tenant = rule.tenant or (found.group("tenant") if found else None)
            if found and tenant:
                return _machine(f"certificate:{uri}", tenant, rule)
    return None


def _machine(name: str, tenant: str, rule: CertificateSettings) -> Principal:
    return Principal(
        id=name, method=AuthMethod.CERTIFICATE, tenant=tenant, roles=frozenset(rule.roles), credential=name
    )


def _pattern(uri: str) -> re.Pattern[str]:
    escaped = re.escape(uri).replace(re.escape("{tenant}"), _TENANT)
    return re.compile(escaped.removesuffix(re.escape("*")) + _REST if uri.endswith("/*") else escaped)
