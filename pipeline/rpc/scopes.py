"""Which calls a request is about."""

from __future__ import annotations

from pipeline.calls.overview import CallFilter
from pipeline.rpc.caller import granted
from yuetone.v1 import overview_service_pb2 as pb


def wanted_calls(scope: pb.CallScope) -> CallFilter:
    """Return which calls a request is about, within what the caller may see.

    Raises:
        PermissionDenied: it names another company.
    """
    given = granted()
    return CallFilter(
        reach=given.reach,
        tenant=given.tenant(scope.tenant if scope.HasField("tenant") else None),
        queues=frozenset(scope.queues),
        teams=frozenset(scope.teams),
        agent_ids=frozenset(scope.agent_ids),
    )
