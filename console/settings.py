"""What an operator chooses: a TOML file with a table ``[console]``, and options of the command line."""

from __future__ import annotations

import ipaddress
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from console.errors import ConsoleSettingsError


class Login(StrEnum):
    """How people say who they are."""

    OFF = "off"
    LOCAL = "local"
    PROXY = "proxy"
    OIDC = "oidc"


class OidcSettings(BaseModel):
    """An OpenID provider by which people log in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(description="its address, as it calls itself; https, or http on this machine")
    client_id: str = Field(min_length=1, description="of this console there")
    client_secret_file: Path | None = Field(None, description="0600; none for a public client")
    scopes: tuple[str, ...] = Field(
        ("openid", "profile", "offline_access"),
        description="what is asked for; access tokens must be for the server",
    )

    @field_validator("issuer")
    @classmethod
    def _safe(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        near = is_loopback(parts.hostname or "")
        if not parts.hostname or parts.scheme not in (("http", "https") if near else ("https",)):
            raise ValueError("must be an https address")
        return issuer

    def secret(self) -> str | None:
        """Return the client's secret.

        Raises:
            ConsoleSettingsError: its file cannot be read.
        """
        if self.client_secret_file is None:
            return None
        try:
            return self.client_secret_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConsoleSettingsError("console.oidc.client_secret_file cannot be read") from error


class ConsoleSettings(BaseModel):
    """Settings of a console."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str = Field("127.0.0.1:50051", description="host:port of the Yuetone server")
    tls: bool = Field(False, description="reach it with TLS, by the system's authorities")
    tls_ca: Path | None = Field(None, description="or by these authorities, PEM")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65_535, description="port to listen on; 0 takes a free one")
    tls_certificate: Path | None = Field(None, description="PEM chain; plain HTTP without one")
    tls_key: Path | None = Field(None, description="PEM key of it")
    origin: str | None = Field(
        None, description="address that browsers use, such as https://desk.example; needed behind a proxy"
    )
    login: Login = Field(Login.OFF, description="off (loopback only), local, proxy, or oidc")
    users: Path = Field(
        Path("~/.local/share/yuetone/console-users.json"),
        description="people of 'local', from 'yuetone console user add'",
    )
    proxy_addresses: tuple[str, ...] = Field((), description="of a proxy that is believed, for 'proxy'")
    proxy_header: str = Field(
        "X-Forwarded-Access-Token", description="header in which it hands the person's access token on"
    )
    oidc: OidcSettings | None = Field(None, description="the provider, for 'oidc'")
    session_hours: float = Field(12.0, gt=0, le=24 * 7, description="after which somebody logs in again")
    idle_minutes: float = Field(30.0, gt=0, le=24 * 60, description="without a request, the same")
    frame_ancestors: tuple[str, ...] = Field(
        (), description="origins that may show the desk inside their own page, such as a CRM"
    )

    @property
    def secure(self) -> bool:
        """Whether browsers reach it over TLS."""
        return self.tls_certificate is not None or (self.origin or "").startswith("https:")

    @field_validator("origin")
    @classmethod
    def _an_origin(cls, origin: str | None) -> str | None:
        if origin is None:
            return None
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
            raise ValueError("must be scheme and host, such as https://desk.example")
        return f"{parts.scheme}://{parts.netloc}".lower()

    @field_validator("frame_ancestors")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme != "https" or not parts.netloc or any(mark in origin for mark in " ;,'\""):
                raise ValueError("must be https origins, such as https://crm.example")
        return origins

    @model_validator(mode="after")
    def _safe(self) -> ConsoleSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; set both or neither")
        near = is_loopback(self.host)
        if self.login is Login.OFF and not near:
            raise ValueError("login = 'off' is for loopback only; choose oidc, proxy or local")
        if self.login is Login.LOCAL and not near and not self.secure:
            raise ValueError("login = 'local' needs tls_certificate and tls_key, or an https origin")
        if self.login is Login.OIDC and self.oidc is None:
            raise ValueError("login = 'oidc' needs [console.oidc] with issuer and client_id")
        if self.login is Login.OIDC and not near and not self.secure:
            raise ValueError("login = 'oidc' needs tls_certificate and tls_key, or an https origin")
        if self.login is Login.PROXY and not self.proxy_addresses:
            raise ValueError("login = 'proxy' needs proxy_addresses: whose header is believed")
        return self


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_settings(file: Path | None, **chosen: Any) -> ConsoleSettings:
    """Return the settings of a file, and what was chosen beside it.

    Raises:
        ConsoleSettingsError: one of them is wrong.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = tomllib.loads(file.read_text("utf-8")).get("console", {})
        except OSError as error:
            raise ConsoleSettingsError(f"{file} cannot be read: {error.strerror or error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConsoleSettingsError(f"{file} is no TOML: {error}") from error
    values |= {name: value for name, value in chosen.items() if value is not None}
    try:
        return ConsoleSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(("console", *map(str, first["loc"])))
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise ConsoleSettingsError(f"{name}: {reason}") from None
