"""Options of every command that talks to a server: who we are, and how we know that it is the server."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import client

OPTIONS: dict[str, Any] = {
    "tls": Annotated[bool, typer.Option("--tls", help="TLS, with the authorities of this system.")],
    "tls_ca": Annotated[Path | None, typer.Option(help="PEM authorities of the server; turns TLS on.")],
    "tls_certificate": Annotated[Path | None, typer.Option(help="PEM certificate that says who we are.")],
    "tls_key": Annotated[Path | None, typer.Option(help="PEM private key of it.")],
    "token_file": Annotated[
        Path | None,
        typer.Option(help=f"File with a token, read again when needed; else {client.TOKEN_VARIABLE}."),
    ],
    "token_command": Annotated[str | None, typer.Option(help="Command that prints a token.")],
}
"""One option each; what a command gets is made of them."""
_DEFAULTS = {"tls": False}


def with_identity(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; its parameter ``identity`` gets what they mean."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "identity"]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=annotation
        )
        for name, annotation in OPTIONS.items()
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        options = {name: given.pop(name) for name in OPTIONS}
        command(**given, identity=identity_of(**options))

    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return run


def identity_of(
    *,
    tls: bool,
    tls_ca: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    token_file: Path | None,
    token_command: str | None,
) -> client.Identity:
    """Return the identity that the options mean.

    Raises:
        ClientError: they do not go together.
    """
    if token_file is not None and token_command is not None:
        raise client.ClientError("give one of --token-file and --token-command")
    if token_command is not None:
        token: client.TokenSource | None = client.TokenCommand(token_command)
    elif token_file is not None:
        token = client.token_in(token_file)
    else:
        token = client.token_of_environment()
    return client.Identity(
        token=token, certificate=tls_certificate, key=tls_key, authorities=tls_ca, secure=tls
    )
