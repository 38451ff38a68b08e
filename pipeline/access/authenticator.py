"""From what a connection shows to a principal, or a refusal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import httpx2
import structlog

from pipeline.access.certificates import machine_of
from pipeline.access.oidc import TokenVerifier
from pipeline.access.principal import DEVELOPMENT, Principal
from pipeline.access.remembered import Remembered
from pipeline.access.tokens import TOKEN_MARK, AccessStore, NoTokens, hash_of
from pipeline.errors import InvalidRequest, SettingsError, TokenExpired, Unauthenticated
from pipeline.sections.access import AccessSettings

FOLLOW_S = 10.0
"""Time between two looks at the store, s: so much later, at most, is what was revoked refused."""
BLIND_S = 60.0
"""Time without a look at the store from which nobody is admitted who may have been revoked, s."""
MOST_REMEMBERED = 1024
LONGEST_TOKEN = 8192
"""Bytes; gRPC refuses metadata of 16 KiB in all."""
_MARK = "bearer "

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a connection shows.

    Attributes:
        authorization: the metadata of that name; None without.
        uris: URI names of the client's certificate, verified by TLS.
        common_name: of its subject; None without a certificate.
    """

    authorization: str | None = None
    uris: tuple[str, ...] = ()
    common_name: str | None = None


class Authenticator:
    """Says who somebody is; for one event loop.

    Args:
        settings: of access.
        development: whether who shows nothing is the development identity.
        client: fetches keys of issuers; closed with the authenticator.
        clock: s since 1970 UTC.

    Attributes:
        epoch: rises with other settings: whoever was let in before is to be judged again.

    Raises:
        SettingsError: the store cannot be opened.
    """

    def __init__(
        self,
        settings: AccessSettings,
        *,
        development: bool,
        client: httpx2.AsyncClient,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._development = development
        self._client = client
        self._clock = clock
        self._store = NoTokens() if development else AccessStore(settings.store)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="access")
        self._verifier = TokenVerifier(settings.issuers, client, clock)
        self._api_tokens: Remembered[str, Principal] = Remembered(MOST_REMEMBERED)  # by hash
        self._revoked = self._store.revoked()
        self._looked = time.monotonic()
        self.epoch = 0

    def take(self, settings: AccessSettings) -> None:
        """Believe the issuers and certificates of these settings from now on; the store stays."""
        self._settings = settings
        self._verifier = TokenVerifier(settings.issuers, self._client, self._clock)
        self.epoch += 1

    async def identify(self, shown: Credentials) -> Principal:
        """Return who shows this.

        Raises:
            Unauthenticated: nobody knows them, or what they show is not valid; why is not told.
            TokenExpired: it was valid until a moment ago.
        """
        principal = await self._identify(shown)
        self.check(principal)
        return principal

    async def _identify(self, shown: Credentials) -> Principal:
        if shown.authorization is not None:
            return await self._by_token(shown.authorization)
        machine = machine_of(self._settings.certificates, shown.uris, shown.common_name)
        if machine is not None:
            return machine
        if self._development:
            return DEVELOPMENT
        raise Unauthenticated("say who you are: an access token, an API token or a client certificate")

    def check(self, principal: Principal, *, grace_s: float = 0.0) -> None:
        """Refuse a principal who was revoked, or whose credential has expired.

        Args:
            principal: who.
            grace_s: s for which an expired credential still holds.

        Raises:
            Unauthenticated, TokenExpired: so it is.
        """
        for name in (principal.id, principal.credential):
            revoked_at = self._revoked.get(name) if name else None
            if revoked_at is not None and principal.issued_at <= revoked_at:
                raise Unauthenticated("this identity was revoked")
        if principal is not DEVELOPMENT and time.monotonic() - self._looked > BLIND_S:
            raise Unauthenticated("revocations cannot be read now (access.store); try again")
        if principal.expires_at is not None and self._clock() >= principal.expires_at + grace_s:
            raise TokenExpired("the token has expired; get a fresh one")

    async def _by_token(self, authorization: str) -> Principal:
        if authorization[: len(_MARK)].lower() != _MARK or len(authorization) > LONGEST_TOKEN:
            raise Unauthenticated("the token cannot be verified")
        token = authorization[len(_MARK) :].strip()
        if token.startswith(TOKEN_MARK):
            return await self._by_api_token(token)
        return await self._verifier.identify(token)

    async def _by_api_token(self, token: str) -> Principal:
        name = hash_of(token)
        known = self._api_tokens.get(name)
        if known is None:
            try:
                found = await self._in_thread(partial(self._store.find, name))
            except Exception as error:  # noqa: BLE001 (whatever a database raises, it shows SQL)
                _log.error("API tokens cannot be read", error=type(error).__name__)
                raise Unauthenticated("the token cannot be verified now (access.store); try again") from None
            if found is None:
                raise Unauthenticated("the token cannot be verified")
            known = found.principal
            self._api_tokens.put(name, known)
        return known

    async def in_store(self, work: Callable[[AccessStore], T]) -> T:
        """Run ``work`` with the store of tokens, in its thread; what it makes void is refused from then on.

        Raises:
            InvalidRequest: there is none, for nobody is asked who they are; or what ``work`` refuses.
        """
        store = self._store
        if not isinstance(store, AccessStore):
            raise InvalidRequest("this server asks nobody who they are (access.identity): it has no tokens")
        try:
            found = await self._in_thread(lambda: work(store))
        except SettingsError as error:
            raise InvalidRequest(str(error)) from error
        await self.look()
        return found

    # ---------------------------------------------------------------- in the background

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            await self.look()

    async def look(self) -> None:
        """Read now what was revoked."""
        begun = time.monotonic()
        try:
            self._revoked = await self._in_thread(self._store.revoked)
            self._looked = begun
        except Exception as error:  # noqa: BLE001 (a locked file, a database that is away: tried again)
            _log.error("revocations cannot be read, trying again", error=type(error).__name__)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Close the store and the client."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._store.close()
        await self._verifier.close()
        await self._client.aclose()
