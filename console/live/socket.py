"""One socket a tab: topics that it asks for, patches with credit.

A patch leaves only when the tab has painted the one before: a slow computer gets fewer, never older ones.

Down: ``{"v":1,"n":number,"at":ms,"t":{topic:{"epoch","seq","snapshot","rows":[…],"gone":[…]}}}``, also empty
ones as heartbeats. Up: ``{"open":{topic:[epoch,seq]|null}}`` names all topics that are wanted from now on,
``{"ack":n}`` says that number n is on the screen.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from console.auth.gate import Gate
from console.auth.sessions import Session
from console.live.feeds import Feed, Feeds

HEARTBEAT_S = 10.0
LEAST_S = 0.04
"""Between two patches, s: more often nobody sees."""
MOST_TOPICS = 8
LONGEST = 4_096
"""Characters of a message from a tab."""
CHECKED_S = 30.0
"""Between two looks whether the session is still good, s."""
LOGGED_OUT, FORBIDDEN = 4401, 4403
_TOPIC = re.compile(r"calls|alerts|call:[A-Za-z0-9_.:@-]{1,128}")


@dataclass(slots=True)
class _Open:
    feed: Feed
    seq: int | None


class LiveSocket:
    """One tab.

    Args:
        socket: to it, not accepted yet.
        session: whose tab.
        feeds: of the console.
        gate: says whether the session is still good.
    """

    def __init__(self, socket: WebSocket, session: Session, feeds: Feeds, gate: Gate) -> None:
        self._socket, self._session, self._feeds, self._gate = socket, session, feeds, gate
        self._open: dict[str, _Open] = {}
        self._changed = asyncio.Event()
        self._number, self._acked = 0, 0

    async def run(self) -> None:
        """Serve the tab until it goes or its session ends."""
        await self._socket.accept()
        tasks = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("socket in", self._listen()),
                ("socket out", self._send()),
                ("socket session", self._session_ends()),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for name in list(self._open):
                self._close(name)

    async def _session_ends(self) -> None:
        while self._gate.session(self._socket, touch=False) is self._session:
            try:
                async with asyncio.timeout(CHECKED_S):
                    await self._session.ended.wait()
            except TimeoutError:
                continue
            break
        await self._leave(LOGGED_OUT)

    async def _listen(self) -> None:
        try:
            while True:
                text = await self._socket.receive_text()
                if len(text) > LONGEST or not self._take(text):
                    await self._leave(FORBIDDEN)
                    return
        except (WebSocketDisconnect, RuntimeError, KeyError):
            return

    def _take(self, text: str) -> bool:
        """Take a message; return whether it was one of ours."""
        try:
            message = json.loads(text)
        except ValueError:
            return False
        if not isinstance(message, dict):
            return False
        ack, wanted = message.get("ack"), message.get("open")
        if isinstance(ack, int):
            self._acked = max(self._acked, min(ack, self._number))
            self._changed.set()
        if message.get("here") is True:
            self._gate.session(self._socket)  # somebody is in front of the screen
        if isinstance(wanted, dict):
            return self._want(wanted)
        return True

    def _want(self, wanted: dict[str, Any]) -> bool:
        if len(wanted) > MOST_TOPICS or not all(_TOPIC.fullmatch(name) for name in wanted):
            return False
        for name in [name for name in self._open if name not in wanted]:
            self._close(name)
        for name, at in wanted.items():
            feed = self._feeds.open(self._session.person, name, self._changed.set)
            match at:
                case [str(epoch), int(seq)] if epoch == feed.epoch:
                    self._open[name] = _Open(feed, seq)
                case _:
                    self._open[name] = _Open(feed, None)
        self._changed.set()
        return True

    def _close(self, name: str) -> None:
        del self._open[name]
        self._feeds.close(self._session.person, name, self._changed.set)

    async def _send(self) -> None:
        try:
            while True:
                beat = not await self._waited()
                topics = self._patches()
                if topics or beat:
                    self._number += 1
                    now = int(time.time() * 1000)
                    await self._socket.send_text(
                        f'{{"v":1,"n":{self._number},"at":{now},"t":{{{",".join(topics)}}}}}'
                    )
                    await asyncio.sleep(LEAST_S)
        except (WebSocketDisconnect, RuntimeError):
            return

    async def _waited(self) -> bool:
        """Wait until there may be something to send; return False where a heartbeat is due."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    if self._acked == self._number:
                        return True
        except TimeoutError:
            return False

    def _patches(self) -> list[str]:
        found: list[str] = []
        for name, opened in self._open.items():
            patch = opened.feed.topic.since(opened.seq)
            if patch is None:
                continue
            opened.seq = patch.seq
            found.append(
                f'{json.dumps(name)}:{{"epoch":"{opened.feed.epoch}","seq":{patch.seq},'
                f'"snapshot":{"true" if patch.snapshot else "false"},'
                f'"rows":[{",".join(patch.rows)}],"gone":{json.dumps(patch.gone)}}}'
            )
        return found

    async def _leave(self, code: int) -> None:
        try:
            await self._socket.close(code)
        except (WebSocketDisconnect, RuntimeError):
            return
