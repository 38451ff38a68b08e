"""Who we are to a server: a token that is fetched again when it ends, a client certificate, or nobody."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from client.errors import ClientError

TOKEN_VARIABLE = "YUETONE_TOKEN"  # noqa: S105 (a name)
"""Environment variable with a token, for scripts."""
COMMAND_S = 30.0
KEPT_S = 60.0
"""Time for which a token that a command printed is used before the command runs again, s."""

TokenSource = Callable[[], str]
"""Returns a token that is good now; is asked for each request. Those of this module go to other processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What we show to a server.

    Attributes:
        token: gives an access token or an API token; None shows none.
        certificate: PEM chain of a client certificate; None shows none.
        key: PEM private key of it.
        authorities: PEM authorities of the server's certificate; None connects without TLS.
        secure: use TLS with the system's authorities where ``authorities`` is None.
    """

    token: TokenSource | None = None
    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    secure: bool = False

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a request.

        Raises:
            ClientError: there is no token to be had.
        """
        return () if self.token is None else (("authorization", f"Bearer {self.token()}"),)


NOBODY = Identity()


def token_of(text: str) -> TokenSource:
    """Return a source that always gives the same token."""
    return functools.partial(str, text)


def token_in(file: Path) -> TokenSource:
    """Return a source that reads a file each time: whatever renews tokens may write it anew.

    Raises (when asked):
        ClientError: the file cannot be read, or is empty.
    """
    return functools.partial(_read, file)


def _read(file: Path) -> str:
    try:
        text = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ClientError(f"no token can be read from {file}") from None
    if not text:
        raise ClientError(f"{file} is empty; it must hold a token")
    return text


class TokenCommand:
    """A source that runs a command, which prints a token: how a program of the identity provider is asked.

    Args:
        command: as a shell splits it; no shell runs it.
        clock: s, monotonic.
    """

    def __init__(self, command: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._command = shlex.split(command)
        self._clock = clock
        self._kept = ("", -KEPT_S)

    def __call__(self) -> str:
        """Return a token.

        Raises:
            ClientError: the command fails or prints nothing.
        """
        token, at = self._kept
        if token and self._clock() - at < KEPT_S:
            return token
        try:
            done = subprocess.run(  # noqa: S603 (the user's own command)
                self._command, capture_output=True, text=True, timeout=COMMAND_S, check=True
            )
        except (OSError, subprocess.SubprocessError):
            raise ClientError(f"the token command {self._command[0]} failed") from None
        token = done.stdout.strip()
        if not token:
            raise ClientError(f"the token command {self._command[0]} printed nothing")
        self._kept = (token, self._clock())
        return token


def token_of_environment() -> TokenSource | None:
    """Return the source that the environment names, None where it names none."""
    text = os.environ.get(TOKEN_VARIABLE, "").strip()
    return token_of(text) if text else None
