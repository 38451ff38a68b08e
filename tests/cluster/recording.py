"""Two nodes that keep one record, and a call that goes from one to the other."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.cluster.peers import ClusterPeers
from pipeline.cluster.store import ClusterStore
from pipeline.record.entries import ContinueRecord
from pipeline.record.key_store import KeyStore
from pipeline.record.orphans import OrphanCloser
from pipeline.record.stores import RecordStores
from tests.integration.helpers import Running, audio, demo_bytes, end, rest, start, take
from tests.record.helpers import begin, masters, profile, section
from yuetone.v1 import call_service_pb2 as pb

Places = dict[str, str | None]
SECONDS = 30


def kept(places: dict[str, str | None], folder: Path, **more: Any) -> dict[str, Any]:
    """Return the sections of nodes that keep one record."""
    record = section(folder, store=places["store"], keys=places["keys"])
    return {"record": record, "profiles": profile(**more)}


async def send(call: Any, data: bytes, first: int, at_ms: int) -> None:
    for index, position in enumerate(range(at_ms * 16, len(data), 960)):
        await call.write(audio(first + index, data[position : position + 960], offset_ms=position // 16))


async def read_until(call: Any, wanted: Any) -> list[pb.StreamCallResponse]:
    found: list[pb.StreamCallResponse] = []
    async with asyncio.timeout(30):
        while not (found and wanted(found[-1])):
            found.append(await take(call))
    return found


async def move(
    one: Running,
    two: Running,
    *,
    first_says: dict[str, Any] | None = None,
    again_says: dict[str, Any] | None = None,
) -> list[pb.StreamCallResponse]:
    """Begin a call at one node, go on with it at the other from its middle, end it; return what was told.

    Args:
        one: where it begins.
        two: where it goes on.
        first_says: of the first StartCall; that people were told by default.
        again_says: the same of the resumed one.
    """
    told = {"notice_given": True}
    data = demo_bytes(SECONDS)
    call = one.stub.StreamCall()
    await call.write(start(**(told if first_says is None else first_says)))
    session = (await take(call)).started.session_id
    await send(call, data[: 16 * 20_000], 0, 0)
    first = await read_until(call, lambda message: message.acked_audio_ms > 12_000)
    again = two.stub.StreamCall()
    request = start(**(told if again_says is None else again_says))
    request.start_call.resume.session_id = session
    request.start_call.resume.last_server_seq = first[-1].server_seq
    await again.write(request)
    greeting = await read_until(again, lambda message: message.HasField("started"))
    await send(again, data, 5_000, greeting[-1].started.received_audio_ms)
    await again.write(end())
    return first + greeting + await rest(again)


class Nodes:
    """Two nodes that write one record, and the cluster they are in."""

    def __init__(self, stack: ExitStack, places: dict[str, str | None], folder: Path) -> None:
        self.keys = KeyStore(str(places["keys"]), masters())
        self.ciphers = self.keys.create([("r1", None)])
        self.one, self.two = (
            RecordStores(folder / "record", places["store"], node=name).of(None) for name in ("one", "two")
        )
        self.cluster = ClusterStore(str(places["cluster"]), "two")
        stores = RecordStores(folder / "record", places["store"], node="two")
        self.stores, self.peers = stores, ClusterPeers(self.cluster, 10.0, lambda: 1)
        self.closer = OrphanCloser(stores, self.keys, self.peers)
        for part in (self.keys, self.one, self.two, self.cluster, stores):
            stack.callback(part.close)

    def take_over(self, said_until: int = 0, origin: int = 0, committed: int = 1_000) -> None:
        first = begin("r1", epoch=2, node="two")
        self.two.take_over(
            ContinueRecord(
                record_id="r1",
                begin=first,
                said_until=(said_until,) * 2,
                origin=origin,
                last_seq=1_000_000,
                committed=committed,
            )
        )


def part(entry: Any, epoch: int) -> Any:
    """Return an entry as a part of a call brings it."""
    return replace(entry, epoch=epoch)
