"""AdminService over gRPC: profiles, alert rules and API tokens, seen and changed while the server runs."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import grpc
import structlog

from pipeline.access.tokens import TOKEN_MARK, AccessStore, ApiToken
from pipeline.alerts.profile_rules import ProfileRules
from pipeline.alerts.rule_files import LONGEST, restore, text_of, version_of, write
from pipeline.alerts.rules import parse_rules
from pipeline.analysis.dry_run import DryRun, dry_run
from pipeline.app import App
from pipeline.audit.entry import LONGEST_TEXT
from pipeline.calls.overview import CallFilter
from pipeline.config import ProfileSettings
from pipeline.errors import InvalidRequest, PermissionDenied, SettingsError
from pipeline.record.archive import Archive, unavailable
from pipeline.record.entries import RecordRow, RecordState
from pipeline.rpc.admin_messages import profile_message, token_message, tried_message
from pipeline.rpc.answering import answered, guarded
from pipeline.rpc.caller import granted
from pipeline.rpc.record_reach import RecordReach
from pipeline.sections.access import TENANT, AccessRole
from yuetone.v1 import admin_service_pb2 as pb
from yuetone.v1 import admin_service_pb2_grpc

USUAL_CALLS, MOST_CALLS = 200, 500
LONGEST_S = 31 * 86_400.0
MOST_DAYS, MOST_TEAMS = 3_650, 50
DAY_S = 86_400.0
ISSUED = frozenset(
    {
        AccessRole.TELEPHONY, AccessRole.AGENT, AccessRole.TEAM_LEAD, AccessRole.SUPERVISOR,
        AccessRole.QUALITY, AccessRole.ML_ENGINEER,
    }
)  # fmt: skip
"""Roles of tokens that are made on a screen: none by which more tokens could be made, or everything read."""
_GUARD = guarded("the settings or the tokens")
_Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """The service; for one event loop.

    Args:
        app: the server.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._writing = asyncio.Lock()
        self._trying = asyncio.Lock()  # one at a time: it opens hundreds of calls

    # ---------------------------------------------------------------- profiles

    async def ListProfiles(  # noqa: N802 (gRPC method name)
        self, request: pb.ListProfilesRequest, context: _Context
    ) -> pb.ListProfilesResponse:
        """Show profiles; see admin_service.proto."""

        async def work() -> pb.ListProfilesResponse:
            tenant = granted().tenant(request.tenant if request.HasField("tenant") else None)
            found = {name: self._app.settings.profiles[name] for name in self._names(tenant)}
            rules = self._app.services.rules.value
            return pb.ListProfilesResponse(
                profiles=[
                    profile_message(name, profile, rules[name].rules) for name, profile in found.items()
                ]
            )

        return await answered(context, work, _GUARD)

    def _names(self, tenant: str | None) -> list[str]:
        """Return the names of the profiles that somebody may know of, default first."""
        profiles = self._app.settings.profiles
        names = list(profiles) if tenant is None else self._app.shares.profiles(profiles, tenant)
        return sorted(names, key=lambda name: (name != "default", name))

    def _profile(self, name: str) -> ProfileSettings:
        names = self._names(granted().tenant(None))
        if name not in names:
            raise InvalidRequest(f"profile: there is {', '.join(names)}")
        return self._app.settings.profiles[name]

    # ---------------------------------------------------------------- alert rules

    async def GetAlertRules(  # noqa: N802 (gRPC method name)
        self, request: pb.GetAlertRulesRequest, context: _Context
    ) -> pb.GetAlertRulesResponse:
        """Show rules as text; see admin_service.proto."""

        async def work() -> pb.GetAlertRulesResponse:
            return await self._rules_of(request.profile)

        return await answered(context, work, _GUARD)

    async def _rules_of(self, name: str) -> pb.GetAlertRulesResponse:
        profile = self._profile(name)
        try:
            text = await asyncio.to_thread(text_of, profile.alert_rules)
        except SettingsError as error:
            raise InvalidRequest(_plain(error, profile)) from error
        why_not = self._why_not(name, profile)
        return pb.GetAlertRulesResponse(
            profile=name, text=text, version=version_of(text), writable=not why_not, why_not=why_not
        )

    def _why_not(self, name: str, profile: ProfileSettings) -> str:
        """Return why the caller cannot write a profile's rules; '' where they can."""
        if profile.alert_rules is None:
            return f"the profile names no file: set profiles.{name}.alert_rules"
        tenant = granted().principal.tenant
        if tenant is not None and not self._app.shares.only_for(name, tenant):
            return "other companies use this profile too"
        return ""

    async def TryAlertRules(  # noqa: N802 (gRPC method name)
        self, request: pb.TryAlertRulesRequest, context: _Context
    ) -> pb.TryAlertRulesResponse:
        """Try rules on recorded calls; see admin_service.proto."""

        async def work() -> pb.TryAlertRulesResponse:
            profile = self._profile(request.profile)
            rules = self._app.services.rules.value[request.profile]
            if request.HasField("text"):
                rules = _parsed(request.text, request.profile, rules)
            async with self._trying:
                tried = [
                    (row, await asyncio.to_thread(_tried, archive, row, profile, rules))
                    for archive, row in await self._calls(request)
                ]
            return tried_message(rules.rules, tried)

        return await answered(context, work, unavailable)

    async def _calls(self, request: pb.TryAlertRulesRequest) -> list[tuple[Archive, RecordRow]]:
        """Return the calls of a profile that rules are tried on."""
        record = self._app.record
        if record is None:
            raise InvalidRequest("this server keeps no calls (record.enabled): rules cannot be tried")
        most = request.most_calls if request.HasField("most_calls") else USUAL_CALLS
        since, until = request.since_unix_ms / 1000, request.until_unix_ms / 1000
        if not 1 <= most <= MOST_CALLS or not 0 < until - since <= LONGEST_S:
            raise InvalidRequest(f"most_calls: 1 to {MOST_CALLS}; since and until: at most 31 days")
        reach = RecordReach(record, self._app.settings.profiles, 0.0)
        wanted = CallFilter(
            reach=granted().reach,
            tenant=granted().tenant(None),
            profiles=frozenset({request.profile}),
        )
        found = await reach.listed(wanted, most, since=since, until=until)
        return [(archive, row) for archive, row in found if row.state is not RecordState.LIVE]

    async def SaveAlertRules(  # noqa: N802 (gRPC method name)
        self, request: pb.SaveAlertRulesRequest, context: _Context
    ) -> pb.GetAlertRulesResponse:
        """Write rules; see admin_service.proto."""

        async def work() -> pb.GetAlertRulesResponse:
            profile = self._profile(request.profile)
            if why_not := self._why_not(request.profile, profile):
                raise PermissionDenied(why_not)
            file = profile.alert_rules
            if file is None:  # told above
                raise PermissionDenied("the profile names no file")
            _parsed(request.text, request.profile, self._app.services.rules.value[request.profile])
            async with self._writing:
                try:
                    await asyncio.to_thread(write, file, request.text, request.version)
                except SettingsError as error:
                    raise InvalidRequest(_plain(error, profile)) from error
                try:
                    await self._app.services.rules.reload()
                except SettingsError as error:  # of another file: all are read together
                    await asyncio.to_thread(restore, file)
                    _log.error("rules could not be taken up", reason=str(error))
                    raise InvalidRequest("another file of rules is broken; see the server's log") from error
            await self._app.share_rules(request.profile, request.text)
            _log.info("alert rules saved", profile=request.profile, by=granted().principal.id)
            return await self._rules_of(request.profile)

        return await answered(context, work, _GUARD)

    # ---------------------------------------------------------------- API tokens

    async def ListApiTokens(  # noqa: N802 (gRPC method name)
        self, request: pb.ListApiTokensRequest, context: _Context
    ) -> pb.ListApiTokensResponse:
        """Show tokens; see admin_service.proto."""

        async def work() -> pb.ListApiTokensResponse:
            tenant = granted().tenant(request.tenant if request.HasField("tenant") else None)
            found = await self._app.authenticator.in_store(lambda store: store.tokens())
            mine = [token for token in found if tenant in (None, token.tenant)]
            mine.sort(key=lambda token: -token.created_at)
            return pb.ListApiTokensResponse(tokens=map(token_message, mine))

        return await answered(context, work, _GUARD)

    async def CreateApiToken(  # noqa: N802 (gRPC method name)
        self, request: pb.CreateApiTokenRequest, context: _Context
    ) -> pb.CreateApiTokenResponse:
        """Make a token; see admin_service.proto."""

        async def work() -> pb.CreateApiTokenResponse:
            wanted = _wanted_token(request)
            shown = await self._app.authenticator.in_store(lambda store: store.create(wanted))
            prefix = shown.removeprefix(TOKEN_MARK).partition("_")[0]
            about = token_message(wanted)
            about.prefix = prefix
            _log.info("API token made", prefix=prefix, by=granted().principal.id)
            return pb.CreateApiTokenResponse(token=shown, about=about)

        return await answered(context, work, _GUARD)

    async def RevokeApiToken(  # noqa: N802 (gRPC method name)
        self, request: pb.RevokeApiTokenRequest, context: _Context
    ) -> pb.ApiToken:
        """Make a token void; see admin_service.proto."""

        async def work() -> pb.ApiToken:
            tenant = granted().tenant(None)

            def revoke(store: AccessStore) -> ApiToken:
                known = {token.prefix for token in store.tokens() if tenant in (None, token.tenant)}
                if request.prefix not in known:
                    raise SettingsError("prefix: your company has no such token")
                return store.revoke_token(request.prefix, time.time())

            return token_message(await self._app.authenticator.in_store(revoke))

        return await answered(context, work, _GUARD)


def _parsed(text: str, profile: str, known: ProfileRules) -> ProfileRules:
    """Return rules of a text, with a profile's words.

    Raises:
        InvalidRequest: a rule is wrong; the message has line and reason.
    """
    if len(text) > LONGEST:
        raise InvalidRequest(f"text: at most {LONGEST} characters")
    try:
        rules = parse_rules(text, f"rules of {profile}", frozenset(known.lexicon.categories))
    except SettingsError as error:
        raise InvalidRequest(str(error)) from error
    return ProfileRules(lexicon=known.lexicon, rules=rules)


def _tried(archive: Archive, row: RecordRow, profile: ProfileSettings, rules: ProfileRules) -> DryRun:
    return dry_run(archive.events(row), row.roles, profile.agitation, rules)


def _plain(error: SettingsError, profile: ProfileSettings) -> str:
    """Return what is wrong with a profile's file, without where it lies."""
    file = profile.alert_rules
    return str(error) if file is None else str(error).replace(str(file), file.name)


def _wanted_token(request: pb.CreateApiTokenRequest) -> ApiToken:
    """Return the token that somebody asks for, without its prefix.

    Raises:
        InvalidRequest: a field is wrong.
    """
    tenant = granted().tenant(request.tenant if request.HasField("tenant") else None)
    if tenant is None or not re.fullmatch(TENANT, tenant):
        raise InvalidRequest("tenant: letters, digits, dots, dashes and underscores, at most 64")
    allowed = {role.value: role for role in ISSUED}
    if not request.roles or any(role not in allowed for role in request.roles):
        raise InvalidRequest(f"roles: one or more of {', '.join(sorted(allowed))}")
    names = (request.owner, request.agent_id if request.HasField("agent_id") else "-", *request.teams)
    if len(names) > MOST_TEAMS or any(
        not 0 < len(name) <= LONGEST_TEXT or not name.isprintable() for name in names
    ):
        raise InvalidRequest(f"names must be printable and have 1 to {LONGEST_TEXT} characters")
    if not 1 <= request.days <= MOST_DAYS:
        raise InvalidRequest(f"days: 1 to {MOST_DAYS}")
    now = time.time()
    return ApiToken(
        prefix="",
        owner=request.owner,
        tenant=tenant,
        roles=frozenset(allowed[role] for role in request.roles),
        agent_id=request.agent_id if request.HasField("agent_id") else None,
        teams=frozenset(request.teams),
        created_at=now,
        expires_at=now + request.days * DAY_S,
    )
