"""Whom a method serves now: set by the gate, for the task of the request and those that it starts."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from pipeline.access.grant import Grant, grant
from pipeline.access.permissions import Permission
from pipeline.calls.info import CallInfo
from pipeline.calls.log import REDACTED, View
from pipeline.config import ProfileSettings
from pipeline.errors import PermissionDenied
from pipeline.rpc.peers import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whom a method serves.

    Attributes:
        grant: what they may do here.
        connection: over which they came.
    """

    grant: Grant
    connection: Connection


CALLER: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Return whom the running method serves.

    Raises:
        LookupError: no gate stands before it, which is a mistake in our code.
    """
    return CALLER.get()


def may_see_alerts(given: Grant, call: CallInfo, profiles: Mapping[str, ProfileSettings]) -> bool:
    """Tell whether somebody may know of alerts about a call: agents only where the call's profile says so."""
    if given.permission not in (Permission.ALERT_WATCH, Permission.ALERT_ACKNOWLEDGE):
        try:
            given = grant(given.principal, Permission.ALERT_WATCH)
        except PermissionDenied:
            return False
    if not given.reach.takes(call):
        return False
    profile = profiles.get(call.profile)
    return not given.own_only or (profile is not None and profile.agents_see_alerts)


def personal_view(given: Grant, call: CallInfo, profiles: Mapping[str, ProfileSettings]) -> View:
    """Return which personal data somebody may see of a call: agents of their own ones, by its profile."""
    try:
        own = grant(given.principal, Permission.PERSONAL_DATA)
    except PermissionDenied:
        return REDACTED
    profile = profiles.get(call.profile)
    if profile is None or not own.reach.takes(call):
        return REDACTED
    return frozenset(profile.redaction.agents_see)


def granted() -> Grant:
    """Return what the caller of the running method may do; errors as of :func:`caller`."""
    return CALLER.get().grant
