"""What recorded calls are like that somebody asks for."""

from __future__ import annotations

from pipeline.access.grant import grant
from pipeline.access.permissions import Permission
from pipeline.errors import InvalidRequest, PermissionDenied
from pipeline.record.archive import RowFilter
from pipeline.rpc.caller import granted
from pipeline.rpc.wrap_ups import RESOLUTIONS
from yuetone.v1 import record_service_pb2 as pb

MOST_TOPICS = 20


def row_filter(message: pb.RecordedCallFilter) -> RowFilter:
    """Return what is asked for; who may not see alerts cannot ask for them either.

    Raises:
        InvalidRequest: something in it is no value of this API.
        PermissionDenied: it asks for alerts of calls that the caller may not see alerts of.
    """
    if message.HasField("agitation_above") and not 0 <= message.agitation_above <= 1:
        raise InvalidRequest("filter.agitation_above must be 0 to 1")
    if len(message.topics) > MOST_TOPICS or any(one not in RESOLUTIONS for one in message.resolutions):
        raise InvalidRequest(f"filter: at most {MOST_TOPICS} topics; resolutions: see Resolution")
    if message.HasField("alerts") and not _sees_alerts():
        raise PermissionDenied("filter.alerts: you may not see alerts")
    return RowFilter(
        alerts=message.alerts if message.HasField("alerts") else None,
        agitation_above=message.agitation_above if message.HasField("agitation_above") else None,
        topics=frozenset(message.topics),
        resolutions=frozenset(RESOLUTIONS[one] for one in message.resolutions),
    )


def _sees_alerts() -> bool:
    """Tell whether the caller sees the alerts of all calls within reach; agents see some of their own."""
    given = granted()
    if given.own_only:
        return False
    try:
        grant(given.principal, Permission.ALERT_WATCH)
    except PermissionDenied:
        return False
    return True
