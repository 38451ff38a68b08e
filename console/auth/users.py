"""Local users: a file of names, hashes of passwords and the API tokens with which each reaches the server.

For centres without an OpenID provider or a proxy. The file holds secrets and is readable for its owner alone.
Passwords are hashed with scrypt (RFC 7914), N = 2**15, r = 8, p = 1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from console.backend import Person, person_with
from console.errors import ConsoleSettingsError

SHORTEST = 10
"""Characters of a password, at least."""
_N, _R, _P, _MEMORY = 1 << 15, 8, 1, 64 << 20
_SALT_BYTES = 16
_NOBODY = base64.b64encode(bytes(_SALT_BYTES)).decode() + "$" + base64.b64encode(bytes(64)).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalUser:
    """A user.

    Attributes:
        name: what they type.
        password: salt and hash, base64, with a $ between.
        token: API token of the server.
    """

    name: str
    password: str
    token: str | None


def hashed(password: str, salt: bytes | None = None) -> str:
    """Return what is kept of a password."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    found = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY)
    return f"{base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}"


class LocalUsers:
    """The users of a file, which is read each time: who is taken out is out.

    Args:
        file: of them.
    """

    def __init__(self, file: Path) -> None:
        self._file = file.expanduser()

    def person(self, name: str, password: str) -> Person | None:
        """Return who somebody is; None for a wrong name or password, after the same time. Blocks for 0.1 s.

        Raises:
            ConsoleSettingsError: the file cannot be read.
        """
        user = self._read().get(name)
        kept = _NOBODY if user is None else user.password
        salt = base64.b64decode(kept.partition("$")[0])
        good = hmac.compare_digest(hashed(password, salt).encode(), kept.encode())
        return person_with(user.name, user.token) if user is not None and good else None

    def names(self) -> list[str]:
        """Return the names of all users."""
        return sorted(self._read()) if self._file.exists() else []

    def add(self, name: str, password: str, token: str | None) -> None:
        """Add a user, in the place of one of that name.

        Raises:
            ConsoleSettingsError: the name or the password will not do, or the file cannot be written.
        """
        if not name.strip() or len(name) > 64:
            raise ConsoleSettingsError("a user's name has 1 to 64 characters")
        if len(password) < SHORTEST:
            raise ConsoleSettingsError(f"a password has at least {SHORTEST} characters")
        users = self._read() if self._file.exists() else {}
        users[name] = LocalUser(name=name, password=hashed(password), token=token)
        self._write(users)

    def remove(self, name: str) -> bool:
        """Take a user out; return whether there was one."""
        users = self._read() if self._file.exists() else {}
        found = users.pop(name, None)
        if found is not None:
            self._write(users)
        return found is not None

    def _read(self) -> dict[str, LocalUser]:
        try:
            rows = json.loads(self._file.read_text("utf-8"))
            return {row["name"]: LocalUser(**row) for row in rows}
        except FileNotFoundError:
            raise ConsoleSettingsError(f"{self._file} is not there; see 'yuetone console user add'") from None
        except (OSError, ValueError, TypeError, KeyError):
            raise ConsoleSettingsError(f"{self._file} is no file of users") from None

    def _write(self, users: dict[str, LocalUser]) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=".users-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump([asdict(user) for user in users.values()], file, indent=1, ensure_ascii=False)
            Path(name).replace(self._file)
        except OSError as error:
            raise ConsoleSettingsError(
                f"{self._file} cannot be written: {error.strerror or error}"
            ) from error
