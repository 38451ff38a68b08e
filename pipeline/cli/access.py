"""``yuetone access``: who am I, API tokens, revocations."""

from __future__ import annotations

import getpass
import json
import os
import re
import time
from datetime import UTC, datetime
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import client
from pipeline.access.permissions import Permission
from pipeline.access.tokens import TOKEN_MARK, AccessStore, ApiToken
from pipeline.audit.entry import LONGEST_TEXT, AuditEntry
from pipeline.audit.log import AuditLog
from pipeline.cli.calls import SERVER, ServerOption, run_connected
from pipeline.cli.identity import with_identity
from pipeline.cli.serve import ConfigOption
from pipeline.config import Settings, load_settings
from pipeline.errors import SettingsError
from pipeline.sections.access import TENANT, AccessRole
from yuetone.v1 import overview_service_pb2

app = typer.Typer(help="Who may reach a server, and what they may do.", no_args_is_help=True)
tokens = typer.Typer(help="API tokens, for scripts and programs.", no_args_is_help=True)
app.add_typer(tokens, name="token")
DAY_S = 86_400.0
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@app.command()
@with_identity
def whoami(server: ServerOption = SERVER, *, as_json: JsonOption = False, identity: client.Identity) -> None:
    """Show who you are to a server, and what you may do.

    Examples:
        yuetone access whoami --server asr.example:50051 --tls --token-file ~/token

        YUETONE_TOKEN=yt_… yuetone access whoami --json
    """

    async def work(channel: grpc.aio.Channel) -> None:
        me = await client.overview_stub(channel).GetMe(overview_service_pb2.GetMeRequest())
        if as_json:
            typer.echo(json.dumps(client.as_json(me), ensure_ascii=False))
        else:
            _show(me)

    run_connected(server, identity, work)


def _show(me: overview_service_pb2.GetMeResponse) -> None:
    typer.echo(f"{me.principal} ({me.method})")
    typer.echo(f"company: {me.tenant if me.HasField('tenant') else 'any'}")
    for name, values in (("roles", me.roles), ("teams", me.teams)):
        if values:
            typer.echo(f"{name}: {', '.join(values)}")
    if me.agent_id:
        typer.echo(f"agent: {me.agent_id}")
    if me.HasField("expires_at_unix_ms"):
        typer.echo(f"until: {_time(me.expires_at_unix_ms / 1000)}")
    for permission, scope in sorted(me.permissions.items()):
        typer.echo(f"  {permission}: {scope}")


# ------------------------------------------------------------------ tokens


@tokens.command("create")
def create_token(
    owner: Annotated[str, typer.Argument(help="Whose it is, for people: a script, a program, a person.")],
    tenant: Annotated[str, typer.Option(help="The company.")],
    role: Annotated[list[AccessRole], typer.Option(help="What it may do; may be given many times.")],
    days: Annotated[float, typer.Option(min=0.01, max=3650, help="Days until it ends.")] = 90.0,
    only: Annotated[
        list[Permission] | None, typer.Option(help="Of what its roles allow, only this; may be repeated.")
    ] = None,
    team: Annotated[list[str] | None, typer.Option(help="A team that it stands in.")] = None,
    agent: Annotated[str | None, typer.Option(help="The agent whom it stands for.")] = None,
    config: ConfigOption = None,
) -> None:
    """Make an API token and show it, once: only its hash is kept.

    Examples:
        yuetone access token create 'nightly export' --tenant bank --role supervisor --only call.list

        yuetone access token create pbx-2 --tenant bank --role telephony --days 365
    """
    settings, now = load_settings(config), time.time()
    if not re.fullmatch(TENANT, tenant):
        raise SettingsError("--tenant: letters, digits, dots, dashes and underscores, at most 64")
    for name in (owner, agent or "-", *(team or ())):
        _check_name(name)
    wanted = ApiToken(
        prefix="",
        owner=owner,
        tenant=tenant,
        roles=frozenset(role),
        agent_id=agent,
        teams=frozenset(team or ()),
        only=frozenset(only) if only else None,
        created_at=now,
        expires_at=now + days * DAY_S,
    )
    store = AccessStore(settings.access.store)
    try:
        shown = store.create(wanted)
        prefix = shown.removeprefix(TOKEN_MARK).split("_")[0]
        detail: dict[str, int | str] = {"roles": ",".join(sorted(wanted.roles)), "tenant": tenant}
        _note(settings, "access.token-create", prefix, detail)
    finally:
        store.close()
    typer.echo(shown)
    typer.secho("Keep it safe: it is not shown again.", err=True)


@tokens.command("list")
def list_tokens(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the API tokens; never the tokens themselves.

    Examples:
        yuetone access token list

        yuetone access token list --json | jq -r '.[] | select(.state == "good").prefix'
    """
    store = AccessStore(load_settings(config).access.store)
    try:
        found = store.tokens()
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps([_row(token) for token in found], ensure_ascii=False))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("token", "owner", "company", "roles", "until", "state"):
        table.add_column(heading, overflow="fold")
    for token in found:
        name, until = (
            f"{TOKEN_MARK}{token.prefix}…",
            "" if token.expires_at is None else _time(token.expires_at),
        )
        roles = ", ".join(sorted(token.roles))
        table.add_row(name, escape(token.owner), token.tenant, roles, until, _state(token))
    Console().print(table)


@tokens.command("revoke")
def revoke_token(
    prefix: Annotated[str, typer.Argument(help="How it begins; see 'yuetone access token list'.")],
    config: ConfigOption = None,
) -> None:
    """Make an API token void; a server that runs knows within 10 s.

    Examples:
        yuetone access token revoke yt_3f9a2c1d
    """
    settings = load_settings(config)
    name = prefix.removeprefix(TOKEN_MARK).split("_")[0].rstrip("…")
    store = AccessStore(settings.access.store)
    try:
        token = store.revoke_token(name, time.time())
        _note(settings, "access.token-revoke", name, {"tenant": token.tenant})
    finally:
        store.close()
    typer.echo(f"{TOKEN_MARK}{name}… ({token.owner}) is void")


@app.command()
def revoke(
    principal: Annotated[str, typer.Argument(help="As whoami shows it, or the jti of one access token.")],
    config: ConfigOption = None,
) -> None:
    """Make void what somebody was given until now; a server that runs knows within 10 s.

    Tokens that the identity provider issues from now on are good again: lock the account there.

    Examples:
        yuetone access revoke oidc:staff:8f14e45f

        yuetone access revoke certificate:spiffe://centre.example/bank/pbx-1
    """
    settings = load_settings(config)
    _check_name(principal)
    store = AccessStore(settings.access.store)
    try:
        store.revoke(principal, time.time())
        _note(settings, "access.revoke", principal, {})
    finally:
        store.close()
    typer.echo(f"{principal}: what was issued until now is void")


def _note(settings: Settings, action: str, target: str, detail: dict[str, int | str]) -> None:
    """Write a change of access into the audit log.

    Raises:
        SettingsError: it cannot be written; the change is done all the same.
    """
    if settings.audit.enabled == "off":
        return
    log = AuditLog(settings.audit.folder.expanduser(), settings.audit.origin)
    try:
        entry = AuditEntry(
            action=action, actor=_operator(), target_kind="credential", target=target, detail=detail
        )
        log.append([entry])
    except OSError as error:
        raise SettingsError(f"audit.folder: the change is not on record ({error.strerror})") from error


def _check_name(name: str) -> None:
    """Refuse what no principal, owner, agent or team is called.

    Raises:
        SettingsError: it is empty, too long or not printable.
    """
    if not 0 < len(name) <= LONGEST_TEXT or not name.isprintable():
        raise SettingsError(f"a name must be printable and have 1 to {LONGEST_TEXT} characters")


def _operator() -> str:
    """Return who runs this command, as the system knows them."""
    try:
        return f"local:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as in containers
        return f"local:{os.getuid()}"


def _row(token: ApiToken) -> dict[str, object | None]:
    return {
        "prefix": token.prefix,
        "owner": token.owner,
        "tenant": token.tenant,
        "roles": sorted(token.roles),
        "only": None if token.only is None else sorted(token.only),
        "created": _time(token.created_at),
        "until": None if token.expires_at is None else _time(token.expires_at),
        "state": _state(token),
    }


def _state(token: ApiToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= time.time() else "good"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
