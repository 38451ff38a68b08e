"""A gRPC server that only reads: what the wire alone costs in Python.

    python -m benchmarks.serving.transport

Prints its port; ``stages`` streams to it and looks at its processor time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc


class _Sink(grpc.GenericRpcHandler):
    """Takes every method and throws away what comes."""

    def service(self, _details: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(self._read)

    @staticmethod
    async def _read(_requests: Any, context: Any) -> None:
        while await context.read() is not grpc.aio.EOF:
            pass


async def serve() -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Sink(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
