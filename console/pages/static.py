"""Files that browsers keep for ever: their address has a hash of all of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from console.texts import TEXTS

FOLDER = Path(__file__).parents[1] / "static"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


class Static:
    """The files, read once.

    Attributes:
        tag: changes with any of them.
    """

    def __init__(self) -> None:
        self._files = {
            path.relative_to(FOLDER).as_posix(): path.read_bytes()
            for path in sorted(FOLDER.rglob("*"))
            if path.suffix in _TYPES
        }
        for language, texts in TEXTS.items():
            self._files[f"texts.{language}.json"] = json.dumps(texts, ensure_ascii=False).encode()
        content = b"".join(name.encode() + data for name, data in self._files.items())
        self.tag = hashlib.sha256(content).hexdigest()[:12]

    @property
    def files(self) -> dict[str, bytes]:
        """All files by name."""
        return dict(self._files)

    async def serve(self, request: Request) -> Response:
        """Answer with a file."""
        name = request.path_params["name"]
        data = self._files.get(name)
        if data is None or request.path_params["tag"] != self.tag:
            return PlainTextResponse("no such file", 404)
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(data, media_type=_TYPES[Path(name).suffix], headers=headers)
