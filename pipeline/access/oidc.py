"""Access tokens of people: JWTs of an OpenID provider (RFC 9068), verified once and then remembered."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt

from pipeline.access.jwks import IssuerKeys
from pipeline.access.principal import AuthMethod, Principal
from pipeline.access.remembered import Remembered
from pipeline.errors import TokenExpired, Unauthenticated
from pipeline.sections.access import TENANT, AccessRole, IssuerSettings

MOST_REMEMBERED = 4096
LONGEST_NAME = 128
"""Characters of a subject, an agent or a team."""
MOST_VALUES = 200
"""Values of a claim that are looked at."""
LAST_TIME = 1e11
"""S since 1970 UTC behind which no token ends."""
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_ROLES = {role.value: role for role in AccessRole}
_UNVERIFIED = "the token cannot be verified"


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    keys: IssuerKeys
    name: tuple[str | None, str]  # of the key: id and algorithm
    generation: int


class TokenVerifier:
    """Verifies JWTs; for one event loop.

    Args:
        issuers: that are believed.
        client: fetches their keys.
        clock: s since 1970 UTC.
    """

    def __init__(
        self,
        issuers: tuple[IssuerSettings, ...],
        client: httpx2.AsyncClient,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = {issuer.issuer: (issuer, IssuerKeys(issuer, client)) for issuer in issuers}
        self._clock = clock
        self._known: Remembered[bytes, _Verified] = Remembered(MOST_REMEMBERED)
        self.verified = 0

    async def identify(self, token: str) -> Principal:
        """Return whose token it is.

        Args:
            token: as it came.

        Raises:
            TokenExpired: it had ended when it was first seen; later, :meth:`Authenticator.check` says so.
            Unauthenticated: it is none of ours, or not valid; why is not told.
        """
        name = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._known.get(name)
        if known is not None:
            await known.keys.key(*known.name)  # may be withdrawn by now
        if known is None or known.generation != known.keys.generation:
            known = await self._verify(token)
            self._known.put(name, known)
        return known.principal

    async def _verify(self, token: str) -> _Verified:
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
            settings, keys = self._issuers[unverified["iss"]]
            algorithm = header["alg"]
            if algorithm not in settings.algorithms:
                raise Unauthenticated(_UNVERIFIED)
            key = await keys.key(header.get("kid"), algorithm)
            generation = keys.generation
            principal = _principal(self._claims(token, key, settings), settings, self._clock())
        except jwt.ExpiredSignatureError:
            raise TokenExpired("the token has expired; get a fresh one") from None
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            raise Unauthenticated(_UNVERIFIED) from None
        self.verified += 1
        return _Verified(principal, keys, (header.get("kid"), algorithm), generation)

    async def close(self) -> None:
        """Give up what is under way."""
        for _settings, keys in self._issuers.values():
            await keys.close()

    @staticmethod
    def _claims(token: str, key: jwt.PyJWK, settings: IssuerSettings) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=settings.leeway_s,
            options={"require": _REQUIRED},
        )


def _principal(claims: Mapping[str, Any], settings: IssuerSettings, now: float) -> Principal:
    """Return whom a verified token names.

    Raises:
        Unauthenticated: it names no company, or claims are of the wrong kind.
        OverflowError, ValueError: times are none.
    """
    subject, jti = claims["sub"], claims.get("jti", "")
    if not (_is_name(subject) and (jti == "" or _is_name(jti))):
        raise Unauthenticated(_UNVERIFIED)  # cut off, it might be somebody else's
    issued_at, expires_at = float(claims["iat"]), float(claims["exp"])
    if not (0 <= issued_at < LAST_TIME and 0 < expires_at < LAST_TIME):
        raise Unauthenticated(_UNVERIFIED)
    tenant = settings.tenant or (_texts(claims, settings.tenant_claim or "") or [""])[0]
    if not re.fullmatch(TENANT, tenant):
        raise Unauthenticated("the token names no company (access.issuers.tenant_claim)")
    roles = {_role(value, settings) for value in _texts(claims, settings.roles_claim)}
    agent = _texts(claims, settings.agent_claim)
    return Principal(
        id=f"oidc:{settings.name}:{subject}",
        method=AuthMethod.OIDC,
        tenant=tenant,
        roles=frozenset(role for role in roles if role is not None),
        agent_id=agent[0] if agent else None,
        teams=frozenset(_texts(claims, settings.teams_claim)),
        issued_at=min(issued_at, now),  # a clock that is ahead must not outlive a revocation
        expires_at=expires_at,
        credential=jti,
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _role(value: str, settings: IssuerSettings) -> AccessRole | None:
    if settings.roles:
        return settings.roles.get(value)
    return _ROLES.get(value)


def _texts(claims: Mapping[str, Any], path: str) -> list[str]:
    """Return the texts of a claim: one, or several; a name with dots that is no claim goes deeper."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return [value for value in values[:MOST_VALUES] if _is_name(value)]
