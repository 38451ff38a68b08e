"""May a server be reached like that? Decides whether it asks who somebody is. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from pipeline.config import ServerSettings
from pipeline.errors import SettingsError
from pipeline.sections.access import AccessSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How a server may be reached.

    Attributes:
        development: whether whoever shows nothing is let in as the development identity.
        warnings: what people must know about it, over and over; empty where all is well.
    """

    development: bool
    warnings: tuple[str, ...] = ()


PRIVATE = Exposure(development=True)
"""How a server may be reached that nobody knows but the program that started it."""


def exposure_of(server: ServerSettings, access: AccessSettings) -> Exposure:
    """Judge a server's settings.

    Args:
        server: where it listens.
        access: whom it asks for what.

    Raises:
        SettingsError: it must not start like that; the message names the ways out.
    """
    public = not is_near(server.host)
    if public and not access.insecure:
        _check_public(server, access)
    if server.metrics_port is not None and not is_near(server.metrics_host) and not access.insecure:
        _check_metrics(server)
    development = _is_development(access, public=public)
    warnings = []
    if development:
        warnings.append("nobody is asked who they are (access.identity): for development only")
    if public and server.tls_certificate is None:
        warnings.append("calls go over the network in clear (--insecure): anybody on the way can listen")
    return Exposure(development=development, warnings=tuple(warnings))


def _is_development(access: AccessSettings, *, public: bool) -> bool:
    if access.identity != "auto":
        return access.identity == "development"
    named = bool(access.issuers or access.certificates)
    return not named and (not public or access.insecure)


def _check_public(server: ServerSettings, access: AccessSettings) -> None:
    where = f"server.host {server.host} can be reached from other machines"
    if server.tls_certificate is None:
        raise SettingsError(
            f"{where}, and calls would go there in clear: set server.tls_certificate and server.tls_key, "
            "or say --insecure"
        )
    if access.identity == "development":
        raise SettingsError(
            f"{where}, and nobody would be asked who they are: leave out access.identity, or say --insecure"
        )


def _check_metrics(server: ServerSettings) -> None:
    if server.tls_certificate is None:
        raise SettingsError(
            f"server.metrics_host {server.metrics_host} can be reached from other machines: "
            "set server.tls_certificate and server.tls_key, or say --insecure"
        )


def is_near(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if host.startswith("unix:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
