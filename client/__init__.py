"""The Python client library of Yuetone: calls in, events out, over the public gRPC API and nothing else.

======================  =====================================================================
connection              a channel to a server, and typed stubs
identity                who we are to it: tokens that are renewed, certificates
audio                   recordings of every kind as they go over the wire
call                    CallStream: stream a call, over lines that break and servers that forget it
pacing                  audio in real time
watching                calls and alerts, with cursors, reconnect and backoff
meter                   latencies as a client sees them
messages                messages as JSON
======================  =====================================================================

A call in a few lines::

    identity = Identity(token=token_in(Path("token")), secure=True)
    async with connected("asr.example:50051", identity) as channel:
        call = CallStream(channel, CallOptions(call_id="a1", roles=("customer", "agent")), MULAW_8K_STEREO)
        async with call, asyncio.TaskGroup() as tasks:
            tasks.create_task(feed(call))                   # await call.send_audio(data); await call.end()
            async for message in call.messages():
                if message.HasField("transcript"):
                    show(message.transcript)
"""

from client.audio import MULAW_8K_STEREO, AudioFormat, CallAudio, read_audio
from client.authorized import AuthorizedChannel
from client.call import CallStream, stream_recording
from client.connection import (
    admin_stub,
    call_stub,
    connect,
    connected,
    insight_stub,
    knowledge_stub,
    open_channel,
    overview_stub,
    quality_stub,
    record_stub,
    suggestion_stub,
    supervisor_stub,
)
from client.conversation import ROLES, CallOptions, role_name
from client.errors import ClientError, LineLost, NotReachable
from client.identity import (
    NOBODY,
    TOKEN_VARIABLE,
    Identity,
    TokenCommand,
    TokenSource,
    token_in,
    token_of,
    token_of_environment,
)
from client.messages import as_json
from client.meter import Latencies, LatencyMeter, quantile
from client.retry import Retry
from client.watching import watch_alerts, watch_call, watch_calls

__all__ = [
    "MULAW_8K_STEREO",
    "NOBODY",
    "ROLES",
    "TOKEN_VARIABLE",
    "AudioFormat",
    "AuthorizedChannel",
    "CallAudio",
    "CallOptions",
    "CallStream",
    "ClientError",
    "Identity",
    "Latencies",
    "LatencyMeter",
    "LineLost",
    "NotReachable",
    "Retry",
    "TokenCommand",
    "TokenSource",
    "admin_stub",
    "as_json",
    "call_stub",
    "connect",
    "connected",
    "insight_stub",
    "knowledge_stub",
    "open_channel",
    "overview_stub",
    "quality_stub",
    "quantile",
    "read_audio",
    "record_stub",
    "role_name",
    "stream_recording",
    "suggestion_stub",
    "supervisor_stub",
    "token_in",
    "token_of",
    "token_of_environment",
    "watch_alerts",
    "watch_call",
    "watch_calls",
]
