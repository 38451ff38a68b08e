"""Many paced streams against a running server, as one process."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence

import grpc

import client
from benchmarks.serving.record import StreamRecord, Update
from benchmarks.serving.speech import RATE, Speech
from client.pacing import paced
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

SPREAD_S = 1.28
"""Streams begin evenly over this time: calls do not begin at the same moment."""
GOLDEN = 0.618034
"""Step of the sequence that spreads them (its multiples modulo 1 lie evenly for every number of streams).
Equal steps would not do: with 32 streams, 40 ms each, all messages of 20 ms would come together."""


def start_s(index: int) -> float:
    """Return when a stream begins, s."""
    return index * GOLDEN % 1.0 * SPREAD_S


async def run_streams(
    address: str, speeches: Sequence[Speech], *, chunk_ms: int = 20, prefix: str = "load", language: str = ""
) -> list[StreamRecord]:
    """Stream every speech at its own pace, all at once; return what each of them saw.

    Args:
        address: of the server.
        speeches: one for each stream.
        chunk_ms: audio in one message.
        prefix: of the calls' names.
        language: BCP 47 tag of all calls; empty leaves it to the server.
    """
    channel = await client.connect(address)  # one connection, as a switch has
    gc.collect()
    gc.freeze()  # the load generator's pauses are not the server's
    try:
        return list(
            await asyncio.gather(
                *(
                    _one(channel, speech, f"{prefix}-{i}", chunk_ms, start_s(i), language)
                    for i, speech in enumerate(speeches)
                )
            )
        )
    finally:
        gc.unfreeze()
        await channel.close()


async def _one(
    channel: grpc.aio.Channel, speech: Speech, call_id: str, chunk_ms: int, delay_s: float, language: str
) -> StreamRecord:
    await asyncio.sleep(delay_s)
    record = StreamRecord(said=speech.said)
    call = client.call_stub(channel).StreamCall()
    sender = asyncio.create_task(_send(call, speech, call_id, chunk_ms, record, language))
    try:
        async for message in call:
            if message.WhichOneof("event") == "transcript":
                told = message.transcript
                record.updates.append(
                    Update(
                        at=time.monotonic(),
                        covers_ms=told.end_ms,
                        final=told.is_final,
                        text=told.text,
                        key=told.utterance_id,
                    )
                )
    except grpc.aio.AioRpcError as error:
        record.failed = f"{error.code().name}"
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
    return record


async def _send(
    call: grpc.aio.StreamStreamCall[pb.StreamCallRequest, pb.StreamCallResponse],
    speech: Speech,
    call_id: str,
    chunk_ms: int,
    record: StreamRecord,
    language: str,
) -> None:
    start = audio_pb2.StartCall(
        call_id=call_id,
        codec=audio_pb2.CODEC_L16,
        language_hint=language or None,
        sample_rate_hz=RATE,
        channels=[audio_pb2.ChannelConfig(index=0, role=audio_pb2.ROLE_CUSTOMER)],
    )
    await call.write(pb.StreamCallRequest(start_call=start))
    data = speech.pcm.tobytes()
    async for chunk in paced(len(speech.pcm), RATE, chunk_ms):
        record.late_s = max(record.late_s, chunk.late_s)
        audio = audio_pb2.Audio(
            sequence=chunk.number,
            offset_ms=chunk.first * 1000 // RATE,
            data=data[2 * chunk.first : 2 * chunk.last],
        )
        await call.write(pb.StreamCallRequest(audio=audio))
        record.sent.append((chunk.last * 1000 // RATE, chunk.due))  # our own delay counts against the server
    await call.write(pb.StreamCallRequest(end_call=audio_pb2.EndCall()))
    await call.done_writing()
