"""The keys of calls, each wrapped by its company's key, in a database of their own.

Deleting a key is erasing its call: what is left on disks and in backups of the record cannot be read by
anybody. All methods block; any thread may call them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.errors import SettingsError
from pipeline.record.ciphers import KEY_BYTES, CallCipher
from pipeline.record.master_keys import MasterKeys
from pipeline.record.tables import call_keys, destroyed_keys
from pipeline.storage.patience import impatient
from suggest.store.database import Schema, address, open_database, overwrite_deleted, writing

SCHEMA = Schema(
    migrations=Path(__file__).with_name("key_migrations"),
    version_table="record_keys_migrations",
    purpose="a store of the record's keys",
    error=SettingsError,
    durable=True,
    forgets=True,
)
NONCE_BYTES = 12
INDEX, ORIGINAL = "index ", "original "
"""How the names of keys begin that are not those of calls as everybody reads them: of search indexes, and of
what was hidden of calls. Record ids have no spaces."""
ROTATED_AT_ONCE = 2_000
"""Keys that are wrapped anew in one transaction: what a rotation that is killed loses at most."""
_DELETED_AT_ONCE = 500


class KeyStore:
    """The store.

    Args:
        store: path of a SQLite file, made with its folder, or a URL such as postgresql://host/name.
        masters: the master keys.
        reread: reads them again, when keys are under one that is not known yet.

    Raises:
        SettingsError: it cannot be opened, or a master key of it is not there, or is another.
    """

    def __init__(
        self,
        store: Path | str,
        masters: MasterKeys,
        reread: Callable[[], MasterKeys] | None = None,
    ) -> None:
        self._masters, self._reread = masters, reread
        self._wrapping: dict[tuple[str, str], AESGCM] = {}
        self._engine = open_database(impatient(address(str(store))), SCHEMA)
        try:
            self._check()
        except SettingsError:
            self._engine.dispose()
            raise

    def _check(self) -> None:
        """Open one key under each master key.

        Raises:
            SettingsError: one cannot be opened.
        """
        with self._engine.connect() as connection:
            used: set[str] = set(connection.scalars(sa.select(call_keys.c.master).distinct()))
            samples = [
                connection.execute(sa.select(call_keys).where(call_keys.c.master == master).limit(1)).one()
                for master in sorted(used & set(self._masters.keys))
            ]
        for row in samples:
            self._unwrapped(row)
        if missing := used - set(self._masters.keys):
            raise SettingsError(
                f"record.keys: calls are under the master key {min(missing)!r}, which was not given"
            )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def create(self, names: Iterable[tuple[str, str | None]]) -> dict[str, CallCipher]:
        """Make keys, and return what seals under them; they are on disk when this returns.

        Args:
            names: record id and company of each call.
        """
        rows, ciphers = [], {}
        for record_id, tenant in names:
            key = secrets.token_bytes(KEY_BYTES)
            rows.append(self._row(record_id, tenant or "", self._masters.newest, key))
            ciphers[record_id] = CallCipher(record_id, key)
        self._insert(rows)
        return ciphers

    def obtain(self, names: Sequence[tuple[str, str | None]]) -> dict[str, CallCipher]:
        """Return what seals under keys that another node may have made; make those that are missing.

        Those that were destroyed stay so: they are left out.

        Args:
            names: record id and company of each call.
        """
        if not names:
            return {}
        found = self.ciphers([name for name, _tenant in names])
        missing = [(name, tenant) for name, tenant in names if name not in found]
        gone = self._destroyed_of([name for name, _tenant in missing])
        missing = [(name, tenant) for name, tenant in missing if name.removeprefix(ORIGINAL) not in gone]
        try:
            return found | self.create(missing)
        except sa.exc.IntegrityError:  # another node has just made one
            return self.ciphers([name for name, _tenant in names])

    def cipher(self, record_id: str) -> CallCipher | None:
        """Return what opens a call; None where its key was destroyed."""
        key = self._key(record_id)
        return None if key is None else CallCipher(record_id, key)

    def ciphers(self, record_ids: Sequence[str]) -> dict[str, CallCipher]:
        """Return what opens some calls; those whose key was destroyed are left out."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(call_keys).where(call_keys.c.record_id.in_(record_ids))).all()
        return {row.record_id: CallCipher(row.record_id, self._unwrapped(row)) for row in rows}

    def index_key(self, tenant: str | None) -> bytes:
        """Return the key that the terms of a company's search index are hashed under; made at first."""
        name = f"{INDEX}{tenant or ''}"
        key = self._key(name)
        if key is None:
            key = secrets.token_bytes(KEY_BYTES)
            try:
                self._insert([self._row(name, tenant or "", self._masters.newest, key)])
            except sa.exc.IntegrityError:  # another node has just made it
                key = self._key(name) or key
        return key

    def _insert(self, rows: list[dict[str, object]]) -> None:
        if rows:
            with writing(self._engine) as connection:
                connection.execute(sa.insert(call_keys), rows)

    def _key(self, name: str) -> bytes | None:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(call_keys).where(call_keys.c.record_id == name)).one_or_none()
        return None if row is None else self._unwrapped(row)

    def destroy(self, record_ids: Sequence[str]) -> int:
        """Delete keys for ever; return how many there were. They are gone from the disk when this returns."""
        gone = 0
        with writing(self._engine) as connection:
            for first in range(0, len(record_ids), _DELETED_AT_ONCE):
                part = record_ids[first : first + _DELETED_AT_ONCE]
                known = sa.select(destroyed_keys.c.record_id).where(destroyed_keys.c.record_id.in_(part))
                fresh = {name for name in part if " " not in name} - set(connection.scalars(known))
                if fresh:
                    connection.execute(
                        sa.insert(destroyed_keys), [{"record_id": name} for name in sorted(fresh)]
                    )
                gone += connection.execute(
                    sa.delete(call_keys).where(call_keys.c.record_id.in_(part))
                ).rowcount
        overwrite_deleted(self._engine, (call_keys,))
        return gone

    def known(self) -> set[str]:
        """Return the record ids of all calls that can be read."""
        with self._engine.connect() as connection:
            names: list[str] = list(connection.scalars(sa.select(call_keys.c.record_id)))
            return {name for name in names if " " not in name}

    def with_original(self) -> set[str]:
        """Return the record ids of the calls of which what was hidden can be read."""
        query = sa.select(call_keys.c.record_id).where(call_keys.c.record_id.startswith(ORIGINAL))
        with self._engine.connect() as connection:
            names: list[str] = list(connection.scalars(query))
        return {name.removeprefix(ORIGINAL) for name in names}

    def _destroyed_of(self, names: Sequence[str]) -> set[str]:
        bare = [name.removeprefix(ORIGINAL) for name in names]
        query = sa.select(destroyed_keys.c.record_id).where(destroyed_keys.c.record_id.in_(bare))
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def destroyed(self) -> set[str]:
        """Return the record ids of calls whose key was destroyed."""
        with self._engine.connect() as connection:
            return set(connection.scalars(sa.select(destroyed_keys.c.record_id)))

    def count_by_master(self) -> dict[str, int]:
        """Return how many keys are under each master key."""
        query = sa.select(call_keys.c.master, sa.func.count()).group_by(call_keys.c.master)
        with self._engine.connect() as connection:
            return {str(row[0]): row[1] for row in connection.execute(query)}

    def rotate(self) -> Iterable[int]:
        """Wrap all keys with the newest master key; yield how many were done after each step.

        Who is interrupted begins again, and goes on where it stopped.
        """
        newest, done = self._masters.newest, 0
        old = sa.select(call_keys).where(call_keys.c.master != newest).limit(ROTATED_AT_ONCE)
        fresh = (
            sa.update(call_keys)
            .where(call_keys.c.record_id == sa.bindparam("of"))
            .values(master=newest, wrapped=sa.bindparam("sealed"))
        )
        while True:
            with writing(self._engine) as connection:
                rows = connection.execute(old).all()
                if not rows:
                    break
                changed = [
                    {
                        "of": row.record_id,
                        "sealed": self._row(row.record_id, row.tenant, newest, self._unwrapped(row))[
                            "wrapped"
                        ],
                    }
                    for row in rows
                ]
                connection.execute(fresh, changed)
            done += len(rows)
            yield done
        overwrite_deleted(self._engine, (call_keys,))

    def _row(self, record_id: str, tenant: str, master: str, key: bytes) -> dict[str, object]:
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped = nonce + self._key_of(master, tenant).encrypt(nonce, key, _about(record_id))
        return {"record_id": record_id, "tenant": tenant, "master": master, "wrapped": wrapped}

    def _unwrapped(self, row: sa.Row[tuple[str, str, str, bytes]]) -> bytes:
        nonce, sealed = row.wrapped[:NONCE_BYTES], row.wrapped[NONCE_BYTES:]
        try:
            return self._key_of(row.master, row.tenant).decrypt(nonce, sealed, _about(row.record_id))
        except InvalidTag as error:
            raise SettingsError(
                f"record.keys: the key of a call cannot be opened with the master key {row.master!r}: it is "
                "another key of that name, or the store is damaged"
            ) from error

    def _key_of(self, master: str, tenant: str) -> AESGCM:
        found = self._wrapping.get((master, tenant))
        if found is None:
            if master not in self._masters.keys and self._reread is not None:
                self._masters = self._reread()
            if master not in self._masters.keys:
                raise SettingsError(
                    f"record.keys: a call is under the master key {master!r}, which was not given"
                )
            key = self._masters.tenant_key(master, tenant or None)
            found = self._wrapping[master, tenant] = AESGCM(key)
        return found


def original_key(record_id: str) -> str:
    """Return the name of the key of what was hidden of a call."""
    return f"{ORIGINAL}{record_id}"


def customer_hash(key: bytes, customer: str) -> str:
    """Return what stands for a customer in the record: a keyed hash, 128 bits (BLAKE2b)."""
    return hashlib.blake2b(f"customer {customer}".encode(), digest_size=16, key=key).hexdigest()


def _about(record_id: str) -> bytes:
    return f"yuetone record key 1|{record_id}".encode()
