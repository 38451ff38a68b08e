"""API tokens of scripts, and revocations of any credential: their store.

A token is ``yt_`` and 256 random bits; only its SHA-256 is kept: what has that many random bits needs no slow
hash, and a slow one would let anybody tie up the server.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.access.permissions import Permission
from pipeline.access.principal import AuthMethod, Principal
from pipeline.errors import SettingsError
from pipeline.sections.access import AccessRole
from pipeline.storage.database import open_storage
from pipeline.storage.tables import api_tokens, revocations
from suggest.store.database import writing

TOKEN_MARK = "yt_"  # noqa: S105 (how they begin)
PREFIX_CHARACTERS = 8
"""Characters behind the mark by which a token is named; the secret has 256 bits beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token, as it is known.

    Attributes:
        prefix: names it.
        owner: whose it is, for people.
        tenant: the company.
        roles: what it may do.
        agent_id: of the person that it stands for, or None.
        teams: of that person.
        only: permissions that it is narrowed to; None for all of its roles.
        created_at: s since 1970 UTC.
        expires_at: the same; None where it does not expire.
        revoked_at: the same; None while it is good.
    """

    prefix: str
    owner: str
    tenant: str
    roles: frozenset[AccessRole]
    agent_id: str | None = None
    teams: frozenset[str] = frozenset()
    only: frozenset[Permission] | None = None
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None

    @property
    def principal(self) -> Principal:
        """Who shows it."""
        return Principal(
            id=f"api-token:{self.prefix}",
            method=AuthMethod.API_TOKEN,
            tenant=self.tenant,
            roles=self.roles,
            agent_id=self.agent_id,
            teams=self.teams,
            only=self.only,
            issued_at=self.created_at,
            expires_at=self.expires_at,
            credential=self.prefix,
        )


class NoTokens:
    """Stands where an :class:`AccessStore` would, where nobody is asked who they are."""

    def find(self, sha256: str) -> ApiToken | None:
        """Return None: there are no tokens."""

    def revoked(self) -> dict[str, float]:
        """Return that nothing was revoked."""
        return {}

    def close(self) -> None:
        """Do nothing."""


class AccessStore:
    """The store; every method blocks.

    Args:
        store: path of a SQLite file, created with its folder; ``:memory:``, or a URL of SQLAlchemy.

    Raises:
        SettingsError: it cannot be opened.
    """

    def __init__(self, store: str) -> None:
        self._engine = open_storage(store, "access.store")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # ---------------------------------------------------------------- tokens

    def create(self, token: ApiToken) -> str:
        """Keep a token's hash; return the token, which nobody can ask for again.

        Args:
            token: everything but its prefix.
        """
        prefix = secrets.token_hex(PREFIX_CHARACTERS // 2)
        shown = f"{TOKEN_MARK}{prefix}_{secrets.token_urlsafe(32)}"
        narrowing = {
            "roles": sorted(token.roles),
            "teams": sorted(token.teams),
            "only": None if token.only is None else sorted(token.only),
        }
        with writing(self._engine) as connection:
            connection.execute(
                api_tokens.insert().values(
                    prefix=prefix,
                    sha256=hash_of(shown),
                    owner=token.owner,
                    tenant=token.tenant,
                    agent_id=token.agent_id,
                    narrowing=json.dumps(narrowing),
                    created_at=token.created_at,
                    expires_at=token.expires_at,
                )
            )
        return shown

    def find(self, sha256: str) -> ApiToken | None:
        """Return the token of that hash (:func:`hash_of`); None where there is none."""
        query = sa.select(api_tokens).where(api_tokens.c.sha256 == sha256)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _token(row)

    def tokens(self) -> list[ApiToken]:
        """Return all tokens, the oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(api_tokens).order_by(api_tokens.c.created_at)).all()
        return [_token(row) for row in rows]

    def revoke_token(self, prefix: str, at: float) -> ApiToken:
        """Make a token void; doing so again changes nothing.

        Raises:
            SettingsError: there is none of that prefix.
        """
        mine = api_tokens.c.prefix == prefix
        with writing(self._engine) as connection:
            connection.execute(
                api_tokens.update().where(mine, api_tokens.c.revoked_at.is_(None)).values(revoked_at=at)
            )
            row = connection.execute(sa.select(api_tokens).where(mine)).first()
        if row is None:
            raise SettingsError(
                f"no API token begins with {TOKEN_MARK}{prefix}; see 'yuetone access token list'"
            )
        return _token(row)

    # ---------------------------------------------------------------- revocations

    def revoke(self, name: str, at: float) -> None:
        """Make void what a principal, or a single credential, was issued before ``at``, s since 1970 UTC."""
        with writing(self._engine) as connection:
            connection.execute(revocations.delete().where(revocations.c.name == name))
            connection.execute(revocations.insert().values(name=name, at=at))

    def revoked(self) -> dict[str, float]:
        """Return everything that was revoked: names, and until when; API tokens, for ever, by principal."""
        with self._engine.connect() as connection:
            named = connection.execute(sa.select(revocations.c.name, revocations.c.at)).all()
            query = sa.select(api_tokens.c.prefix, api_tokens.c.revoked_at).where(
                api_tokens.c.revoked_at.is_not(None)
            )
            tokens = connection.execute(query).all()
        return {row.name: row.at for row in named} | {f"api-token:{row.prefix}": math.inf for row in tokens}


def hash_of(shown: str) -> str:
    """Return the hash by which a token that somebody shows is known, hexadecimal."""
    return hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()


def _token(row: sa.Row[tuple[object, ...]]) -> ApiToken:
    narrowing = json.loads(row.narrowing)
    only = narrowing["only"]
    return ApiToken(
        prefix=row.prefix,
        owner=row.owner,
        tenant=row.tenant,
        roles=frozenset(map(AccessRole, narrowing["roles"])),
        agent_id=row.agent_id,
        teams=frozenset(narrowing["teams"]),
        only=None if only is None else frozenset(map(Permission, only)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
