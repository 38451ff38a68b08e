"""Many nodes that share their calls: settings."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from pipeline.sections.base import Section

_ADDRESS = re.compile(r"(?P<host>[^/\s]*):(?P<port>[0-9]{1,5})")


def host_and_port(address: str) -> tuple[str, int]:
    """Return both parts of an address that was checked, which is no path of a socket."""
    host, _, port = address.rpartition(":")
    return host, int(port)


class ClusterSettings(Section):
    """What a node shares with others."""

    url: SecretStr | None = Field(
        None, description="database of all nodes: a URL of SQLAlchemy, or the path of a SQLite file"
    )
    node: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="name of this node, unlike any other's; the machine's by default",
    )
    address: str | None = Field(
        None,
        max_length=200,
        description="host:port, or unix:path, where gateways reach this node; several nodes of a machine "
        "take the ports that follow",
    )
    listen_host: str | None = Field(
        None,
        max_length=200,
        description="address to listen on, such as 0.0.0.0, where the host in cluster.address is a name that "
        "only others look up, as in containers; that host by default",
    )
    secret: SecretStr | None = Field(
        None, min_length=16, description="secret by which gateways and nodes know each other"
    )
    tls_ca: Path | None = Field(
        None, description="PEM file of who signs the nodes' certificates; gateways then speak TLS with them"
    )
    beat_ms: int = Field(
        10,
        ge=1,
        le=1_000,
        description="ms from one commit of a node to the next, at least; 200 spares a slow disk",
    )
    told_after_ms: int = Field(
        1_500, ge=0, le=30_000, description="ms that text waits for a database that does not answer"
    )
    silent_s: float = Field(
        10.0, ge=1.0, le=600.0, description="s of silence after which a node counts as gone"
    )
    hand_over_s: float = Field(
        60.0,
        ge=0.0,
        le=14_400.0,
        description="s that calls may go on here when the node leaves",
    )

    @field_validator("address")
    @classmethod
    def _reachable(cls, address: str | None) -> str | None:
        if address is not None and not address.startswith("unix:") and not _ADDRESS.fullmatch(address):
            raise ValueError("cluster.address: write host:port or unix:path")
        return address

    @field_validator("url", mode="before")
    @classmethod
    def _nowhere(cls, url: object) -> object:
        return None if url in ("", "null", "none") else url
