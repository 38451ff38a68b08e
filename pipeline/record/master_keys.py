"""Master keys: from a file, a command or the environment; a company's keys are derived from them.

Each is a line ``name:base64``, the newest last. They never go into a database, a log or an error.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.errors import SettingsError
from pipeline.sections.record import RecordSettings

KEY_BYTES = 32
COMMAND_S = 30.0
"""Time for the command that prints the keys, s."""
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LINE = re.compile(rf"(?P<name>{NAME.pattern}):(?P<key>[A-Za-z0-9+/=_-]{{43,64}})")


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The keys, by name, the oldest first."""

    keys: dict[str, bytes] = field(repr=False)

    @property
    def newest(self) -> str:
        """Name of the one that new calls are under."""
        return next(reversed(self.keys))

    def tenant_key(self, name: str, tenant: str | None) -> bytes:
        """Return a company's key-encryption key, 256 bits (HKDF, RFC 5869).

        Raises:
            KeyError: there is no master key of that name.
        """
        about = f"yuetone record 1|{name}|{tenant or ''}".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=about).derive(self.keys[name])


def new_line(name: str) -> str:
    """Return a fresh key as a line."""
    return f"{name}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def read_master_keys(settings: RecordSettings) -> MasterKeys:
    """Return the master keys that the settings name.

    Raises:
        SettingsError: there are none, or they cannot be read; the message never holds a part of them.
    """
    if settings.key_file is not None:
        return parsed(_of_file(settings.key_file.expanduser()), "record.key_file")
    if settings.key_command:
        return parsed(_of_command(settings.key_command), "record.key_command")
    return parsed(settings.key.get_secret_value() if settings.key else "", "record.key")


def parsed(text: str, setting: str) -> MasterKeys:
    """Return the keys of lines.

    Raises:
        SettingsError: a line is none; the message names the setting and the line's number.
    """
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        key = _decoded(found["key"]) if found else None
        if found is None or key is None or found["name"] in keys:
            raise SettingsError(
                f"{setting}, line {number}: a key is a line name:base64 of 32 bytes, each name once"
            )
        keys[found["name"]] = key
    if not keys:
        raise SettingsError(f"{setting}: there is no key in it; make one with 'yuetone record new-key FILE'")
    return MasterKeys(keys)


def _decoded(text: str) -> bytes | None:
    try:
        key = base64.b64decode(
            text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def _of_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            raise SettingsError(f"record.key_file: {path} can be read by others; run chmod 600 on it")
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"record.key_file: {path} cannot be read ({type(error).__name__}); make one with "
            "'yuetone record new-key FILE'"
        ) from error


def _of_command(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (the operator's own command)
            command, capture_output=True, timeout=COMMAND_S, check=True, text=True, env=dict(os.environ)
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise SettingsError(f"record.key_command: {command[0]} failed ({type(error).__name__})") from error
    return done.stdout
