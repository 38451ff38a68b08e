"""The public keys of an OpenID provider: found, fetched, kept, and fetched again when they are rotated."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import structlog

from pipeline.errors import Unauthenticated
from pipeline.sections.access import IssuerSettings

FRESH_S = 600.0
"""Age from which keys are fetched again when one is needed, s."""
SOONEST_S = 20.0
"""Least time between two fetches, s: tokens with invented key ids must not make us ask the provider."""
OLDEST_S = 86_400.0
"""Age from which keys are not used any more though the provider cannot be reached, s."""
TIMEOUT_S = 5.0
MOST_BYTES = 262_144
_ALGORITHM_OF = {("EC", "P-256"): "ES256", ("RSA", None): "RS256", ("OKP", "Ed25519"): "EdDSA"}

_log = structlog.get_logger(__name__)


class IssuerKeys:
    """The keys of one provider; for one event loop.

    Args:
        settings: of the provider.
        client: fetches.
        clock: s, monotonic.

    Attributes:
        generation: rises whenever the set of keys is another one than before.
    """

    def __init__(
        self,
        settings: IssuerSettings,
        client: httpx2.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._keys: dict[tuple[str | None, str], jwt.PyJWK] = {}
        self._fetched = -OLDEST_S
        self._tried = -SOONEST_S
        self._fetching: asyncio.Task[None] | None = None
        self.generation = 0

    async def key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """Return the key of that id for that algorithm.

        Raises:
            Unauthenticated: the provider has none, or cannot be reached.
        """
        wanted = (key_id, algorithm)
        age = self._clock() - self._fetched
        if wanted not in self._keys or age > FRESH_S:
            await self._refresh()
        age = self._clock() - self._fetched
        if wanted not in self._keys or age > OLDEST_S:
            raise Unauthenticated("the token cannot be verified")
        return self._keys[wanted]

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago; who asks may leave, the fetch goes on."""
        if self._fetching is None or self._fetching.done():
            if self._clock() - self._tried < SOONEST_S:
                return
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._take(), name=f"keys of {self._settings.name}")
        await asyncio.shield(self._fetching)

    async def _take(self) -> None:
        try:
            found = _keys_of(await self._fetch())
        except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _log.warning(
                "keys of an issuer cannot be fetched", issuer=self._settings.name, error=type(error).__name__
            )
            return
        self._fetched = self._clock()
        public = {name: _public(key) for name, key in found.items()}
        if public != {name: _public(key) for name, key in self._keys.items()}:
            self._keys = found
            self.generation += 1

    async def close(self) -> None:
        """Give up a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetch(self) -> Any:
        url = self._settings.jwks_url
        if url is None:
            base = self._settings.issuer.rstrip("/")
            described = await self._json(f"{base}/.well-known/openid-configuration")
            if described["issuer"] != self._settings.issuer:
                raise ValueError("the provider calls itself otherwise")
            url = IssuerSettings.checked_address(described["jwks_uri"])
        return await self._json(url)

    async def _json(self, url: str) -> Any:
        async with self._client.stream("GET", url, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise ValueError("too large")
        return json.loads(body)


def _keys_of(document: Any) -> dict[tuple[str | None, str], jwt.PyJWK]:
    """Return the usable signing keys of a JWK set (RFC 7517), by key id and algorithm."""
    found = {}
    for entry in document["keys"]:
        algorithm = _ALGORITHM_OF.get((entry.get("kty"), entry.get("crv")))
        if algorithm is None or entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
            continue
        try:
            found[entry.get("kid"), algorithm] = jwt.PyJWK(entry, algorithm=algorithm)
        except jwt.PyJWTError:
            continue
    return found


def _public(key: jwt.PyJWK) -> str:
    return json.dumps(key._jwk_data, sort_keys=True)  # noqa: SLF001 (the library shows it in no other way)
