"""``yuetone console``: the agent's desk and the supervisor's wall in a browser."""

from __future__ import annotations

import getpass
import socket
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import SettingsError

if TYPE_CHECKING:
    import uvicorn

    from console.auth.users import LocalUsers
    from console.settings import ConsoleSettings

app = typer.Typer()
user_app = typer.Typer(help="People who log in by a password of this console.", no_args_is_help=True)
app.add_typer(user_app, name="user")
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file with a table \\[console]; options go before it.")
]
GRACE_S = 3
LONGEST_FRAME = 16_384
"""Bytes of a message from a browser."""


@app.callback(invoke_without_command=True)
def console(
    context: typer.Context,
    server: Annotated[str | None, typer.Option(help="host:port of the Yuetone server.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 when left out.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8080 when left out.")] = None,
    config: ConfigOption = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Show it in the browser at once.")] = False,
) -> None:
    """Serve the desk and the wall, as a client of a running server.

    Examples:
        yuetone console --open

        yuetone console --server asr.example:50051 --config console.toml

        yuetone console user add alice --token-file alice.token
    """
    if context.invoked_subcommand is not None:
        return
    from console.settings import read_settings  # noqa: PLC0415 (loads the web server)

    with _told():
        settings = read_settings(config, server=server, host=host, port=port)
        _serve(settings, open_browser=open_browser)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the console says of its settings into an error of the command line."""
    from console.errors import ConsoleError  # noqa: PLC0415

    try:
        yield
    except ConsoleError as error:
        raise SettingsError(str(error)) from error


def _users(config: Path | None) -> LocalUsers:
    from console.auth.users import LocalUsers  # noqa: PLC0415
    from console.settings import read_settings  # noqa: PLC0415

    return LocalUsers(read_settings(config).users)


def _serve(settings: ConsoleSettings, *, open_browser: bool) -> None:
    listening = listening_socket(settings.host, settings.port)
    port = listening.getsockname()[1]
    address = f"{'https' if settings.tls_certificate else 'http'}://{settings.host}:{port}"
    typer.echo(f"desk and wall at {address} (server {settings.server}, login {settings.login})")
    if open_browser:
        webbrowser.open(address)
    web_server(settings, port=port).run(sockets=[listening])


def web_server(settings: ConsoleSettings, *, port: int) -> uvicorn.Server:
    """Return the web server of a console; it keeps no log of addresses, which have searched words in them.

    Args:
        settings: of the console.
        port: on which it will listen.
    """
    import uvicorn  # noqa: PLC0415 (the web server)

    from console.app import build_app  # noqa: PLC0415

    return uvicorn.Server(
        uvicorn.Config(
            build_app(settings),
            port=port,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=LONGEST_FRAME,
            ssl_certfile=None if settings.tls_certificate is None else str(settings.tls_certificate),
            ssl_keyfile=None if settings.tls_key is None else str(settings.tls_key),
            timeout_graceful_shutdown=GRACE_S,
        )
    )


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        SettingsError: the address cannot be used.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


@user_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="What they type to log in.")],
    token_file: Annotated[
        Path | None,
        typer.Option(help="API token with which they reach the server: 'yuetone access token create'."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Add somebody, or give them a new password; it is asked for, or read from a pipe.

    Examples:
        yuetone access token create alice --tenant bank --role agent --agent a7 > alice.token

        yuetone console user add alice --token-file alice.token
    """
    try:
        token = None if token_file is None else token_file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--token-file: {token_file} cannot be read") from error
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    with _told():
        _users(config).add(name, password, token)
    typer.echo(f"{name} can log in")


@user_app.command("list")
def list_users(config: ConfigOption = None) -> None:
    """Show who can log in.

    Examples:
        yuetone console user list
    """
    with _told():
        for name in _users(config).names():
            typer.echo(name)


@user_app.command("remove")
def remove_user(name: Annotated[str, typer.Argument(help="Who.")], config: ConfigOption = None) -> None:
    """Take somebody out; their sessions last until the console starts again or they end.

    Examples:
        yuetone console user remove alice
    """
    with _told():
        if not _users(config).remove(name):
            raise SettingsError(f"there is no user {name!r}")
    typer.echo(f"{name} is out")
