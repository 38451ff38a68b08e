"""Requests to read what was hidden of calls, over gRPC."""

from __future__ import annotations

import asyncio
import time

from pipeline.errors import InvalidRequest, UnknownOriginalRequest
from pipeline.record.originals import OriginalRequest
from pipeline.rpc.caller import granted
from pipeline.rpc.record_reach import RecordReach
from yuetone.v1 import record_service_pb2 as pb


class Originals:
    """Asks, shows and decides; for one event loop.

    Args:
        reach: of the record.
        hours: for which something can be read once a second person has agreed.
    """

    def __init__(self, reach: RecordReach, hours: float) -> None:
        self._reach, self._readable_s = reach, hours * 3_600.0

    async def ask(self, request: pb.RequestOriginalRequest) -> pb.OriginalRequest:
        """Ask to read what was hidden of a call.

        Raises:
            InvalidRequest: nothing of it is kept, or no reason is given.
            UnknownRecord: there is no such call within reach.
        """
        archive, row = await self._reach.found(request.record_id)
        if row.original_until is None:
            raise InvalidRequest("record_id: what was hidden of this call is not kept (original_days)")
        requests, who = archive.original_requests(), granted().principal.id
        return _message(await asyncio.to_thread(requests.ask, row.record_id, request.reason, who))

    async def waiting(self) -> pb.ListOriginalRequestsResponse:
        """Return what waits for a second person, in all companies within reach."""
        found: list[OriginalRequest] = []
        for archive in self._reach.archives(granted().tenant(None)):
            found += await asyncio.to_thread(archive.original_requests().waiting)
        found.sort(key=lambda request: request.asked_at)
        return pb.ListOriginalRequestsResponse(requests=map(_message, found))

    async def decide(self, request: pb.DecideOriginalRequest) -> pb.OriginalRequest:
        """Agree, or refuse.

        Raises:
            PermissionDenied: whoever asked agrees.
            UnknownOriginalRequest: none of that id waits.
        """
        until = time.time() + self._readable_s if request.agree else None
        for archive in self._reach.archives(granted().tenant(None)):
            requests, who = archive.original_requests(), granted().principal.id
            try:
                decided = await asyncio.to_thread(requests.decide, request.original_request_id, who, until)
            except UnknownOriginalRequest:
                continue
            return _message(decided)
        raise UnknownOriginalRequest("no request of that id waits for a second person")


def _message(request: OriginalRequest) -> pb.OriginalRequest:
    return pb.OriginalRequest(
        original_request_id=request.id,
        record_id=request.record_id,
        reason=request.reason,
        asked_by=request.asked_by,
        asked_at_unix_ms=int(request.asked_at * 1000),
        decided_by=request.decided_by,
        readable_until_unix_ms=None if request.until is None else int(request.until * 1000),
    )
