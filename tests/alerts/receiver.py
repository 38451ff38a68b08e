"""A real HTTP server that takes alerts, fails, hangs and comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What it got, and how it answers; ``status`` may be changed at any time."""

    status: int = 200
    answer: bytes = b"ok"
    extra: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=1"


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    state = Receiver()
    state.go_on.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            state.requests.append(request)
            state.go_on.wait(30)
            status = state.status  # once: a test may change it while this answer is on its way
            try:
                self.send_response(status)
                for name, value in state.extra.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(state.answer)))
                self.end_headers()
                self.wfile.write(state.answer)
            except OSError:
                return  # the sender gave up waiting
            if 200 <= status < 300:
                state.taken.append(request)

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
