"""Clients and watchers of a cluster, on a host of their own; writes what each was told.

python -m benchmarks.cluster.drive ADDRESSES --calls 30 --watchers 10 --seconds 18 --out told.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import grpc

import client
from benchmarks.serving.outages import Said
from benchmarks.serving.speech import DEMO
from yuetone.v1 import call_service_pb2 as pb

OPTIONS = [
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.keepalive_time_ms", 1_000), ("grpc.keepalive_timeout_ms", 1_000),
    ("grpc.http2.ping_timeout_ms", 1_000), ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 300),
    ("grpc.use_local_subchannel_pool", 1),
]  # fmt: skip
BETWEEN_S = 0.23
"""Time between the beginnings of two calls, s: no two speak at once."""


class Told:
    """What somebody was told of one call; times in s since the call began."""

    def __init__(self) -> None:
        self.finals: dict[str, Said] = {}
        self.doubled = 0
        self.late: list[tuple[float, float]] = []  # when a text came, and how far it was behind its speech
        self.finals_late: list[float] = []
        self.heard: list[float] = []
        self.began = time.monotonic()
        self.reason = ""

    def take(self, message: pb.StreamCallResponse, origin_ms: int = 0) -> None:
        """Note a message; its times count from ``origin_ms`` of the call."""
        now = time.monotonic() - self.began
        if message.server_seq:
            self.heard.append(now)
        if message.HasField("ended"):
            self.reason = message.ended.reason
        said = message.transcript
        if not message.HasField("transcript") or not said.text:
            return
        self.late.append((now, now - (said.end_ms + origin_ms) / 1000))
        if said.is_final:
            self.finals_late.append(self.late[-1][1])
            self.doubled += said.utterance_id in self.finals
            at = origin_ms
            self.finals[said.utterance_id] = Said(
                said.channel, said.start_ms + at, said.end_ms + at, said.raw_text
            )

    def plain(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return {
            "finals": [[one.channel, one.start_ms, one.end_ms, one.text] for one in self.finals.values()],
            "doubled": self.doubled, "late": self.late, "reason": self.reason, "began": self.began,
            "heard": self.heard, "finals_late": self.finals_late,
        }  # fmt: skip


async def play(target: str, name: str, recording: client.CallAudio, wait_s: float) -> dict[str, Any]:
    """Play one call in real time."""
    await asyncio.sleep(wait_s)
    told = Told()
    retry = client.Retry(first_s=0.05, longest_s=0.5, give_up_s=60)
    options = client.CallOptions(call_id=name, roles=("customer", "agent"))
    parts = reconnects = 0
    try:
        async with grpc.aio.insecure_channel(target, options=OPTIONS) as channel:
            call = client.CallStream(channel, options, recording.format, retry)
            async for message in client.stream_recording(call, recording, speed=1.0):
                told.take(message, call.origin_ms)
            parts, reconnects = call.parts, call.reconnects
    except (grpc.aio.AioRpcError, client.ClientError) as error:
        told.reason = f"broken: {error}"[:200]
    return {**told.plain(), "parts": parts, "reconnects": reconnects}


async def watch(target: str, name: str, wait_s: float) -> dict[str, Any]:
    """Follow one call."""
    await asyncio.sleep(wait_s + 0.5)
    told = Told()
    retry = client.Retry(first_s=0.05, longest_s=0.3, give_up_s=30)
    try:
        async with grpc.aio.insecure_channel(target, options=OPTIONS) as channel:
            async for message in client.watch_call(channel, name, after=0, retry=retry):
                told.take(message.event)
    except (grpc.aio.AioRpcError, client.ClientError) as error:
        told.reason = f"broken: {error}"[:200]
    return told.plain()


async def run(options: argparse.Namespace) -> None:
    """Play, and write what was told."""
    recording = client.read_audio(DEMO)
    cut = int(options.seconds * recording.format.rate) * recording.format.frame_bytes
    recording = client.CallAudio(format=recording.format, data=recording.data[:cut])
    target = "ipv4:" + options.addresses
    calls = [play(target, f"call-{n}", recording, n * BETWEEN_S) for n in range(options.calls)]
    watchers = [watch(target, f"call-{n}", n * BETWEEN_S) for n in range(options.watchers)]
    print(f"playing {time.monotonic()}", flush=True)
    told = await asyncio.gather(*calls, *watchers)
    result = {"calls": told[: options.calls], "watchers": told[options.calls :]}
    options.out.write_text(json.dumps(result), "utf-8")


def main() -> None:
    """Play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("addresses", help="host:port of gateways, with commas")
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--watchers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=18)
    parser.add_argument("--out", type=Path, required=True)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
