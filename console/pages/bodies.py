"""What browsers send: small, or not taken."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request

MOST_FIELDS = 20


async def read_body(request: Request, most: int) -> bytes | None:
    """Return the body of a request; None where it has more than ``most`` bytes."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most:
            return None
    return body


async def form_of(request: Request, most: int, fields: int = MOST_FIELDS) -> dict[str, str] | None:
    """Return the fields of a form of at most ``most`` bytes; None for anything else."""
    body = await read_body(request, most)
    try:
        found = None if body is None else parse_qs(body.decode(), max_num_fields=fields)
    except ValueError:
        return None
    return None if found is None else {name: values[0] for name, values in found.items()}


async def object_of(request: Request, most: int) -> dict[str, Any] | None:
    """Return a JSON object; None for anything else."""
    body = await read_body(request, most)
    try:
        found = None if body is None else json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
