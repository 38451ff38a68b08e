"""One stream of a call from a gateway to a node, and how it may end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc

from pipeline.rpc.forwarding import STREAM_CALL
from pipeline.rpc.routing import Identity, Node
from pipeline.rpc.status import is_gone
from yuetone.v1 import call_service_pb2 as pb

ANSWER_S = 3.0
"""How long a node may take to say whether it has a call, s."""
_EOF = grpc.aio.EOF


class Broken(Exception):
    """The line to a node is gone; the call need not be."""


class Refused(Exception):
    """A node said no, and no other one will say anything else.

    Args:
        code: of the status.
        details: of it.
        answer: message that the client has not had.
    """

    def __init__(self, code: grpc.StatusCode, details: str, answer: bytes | None = None) -> None:
        super().__init__(details)
        self.code, self.details, self.answer = code, details, answer


class Finished(Exception):
    """The stream ended as it should."""


class NodeLine:
    """A stream to a node; for one event loop.

    Args:
        node: that is called.
        identity: of the client, for nodes.
    """

    def __init__(self, node: Node, identity: Identity) -> None:
        self.node = node
        self._call: Any = node.channel.stream_stream(STREAM_CALL)(metadata=identity)

    async def write(self, data: bytes) -> None:
        """Send a message; where the line is gone, :meth:`read` says so."""
        try:
            await self._call.write(data)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            await asyncio.sleep(0)  # whoever reads learns why

    async def read(self, within_s: float | None) -> bytes:
        """Return the next message; raises Broken, Refused, or Finished at the end."""
        try:
            async with asyncio.timeout(within_s):
                answer = await self._call.read()
        except TimeoutError:
            self.close()
            raise Broken from None
        except grpc.aio.AioRpcError as error:
            raise self._why(error.code(), error.details()) from None
        if answer is not _EOF:
            return bytes(answer)
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            raise Finished
        raise self._why(code, await self._call.details())

    @staticmethod
    def _why(code: grpc.StatusCode, details: str | None) -> Exception:
        return Broken() if is_gone(code, details) else Refused(code, details or "")

    async def refusal(self, answer: bytes, message: pb.StreamCallResponse) -> Refused:
        """Return what a node refused a call with."""
        told = f"{message.error.code}: {message.error.message}"
        try:
            while True:
                await self.read(ANSWER_S)
        except Refused as refused:
            return Refused(refused.code, refused.details, answer)
        except (Broken, Finished):
            return Refused(grpc.StatusCode.UNAVAILABLE, told, answer)

    async def done(self) -> None:
        """Say that the client has sent all."""
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            await self._call.done_writing()

    def close(self) -> None:
        """Leave the node."""
        self._call.cancel()
