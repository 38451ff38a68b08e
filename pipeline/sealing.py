"""Files that only this process can read: sealed under a key that is never written anywhere.

AES-256-GCM over blocks, each with its number as nonce and as authenticated data, so that none can be left
out, exchanged or cut off unnoticed; the key is new for each file and goes with its object (NIST SP 800-38D).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BLOCK = 1 << 16
"""Bytes sealed at once."""
_LENGTH = struct.Struct("<I")
_TAG = 16


class SealedFile:
    """A file that is written once, from its beginning to its end, and then read.

    Args:
        file: open for writing; closed by :meth:`finish`.
        path: of it.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._blocks = 0
        self._waiting = bytearray()  # below BLOCK

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        self._waiting += data
        while len(self._waiting) >= BLOCK:
            self._seal(bytes(self._waiting[:BLOCK]), last=False)
            del self._waiting[:BLOCK]

    def finish(self) -> None:
        """Write what waits, and close; safe to call twice.

        Raises:
            OSError: as of :meth:`write`.
        """
        if self._file.closed:
            return
        try:
            self._seal(bytes(self._waiting), last=True)
            self._waiting.clear()
        finally:
            self._file.close()

    def _seal(self, data: bytes, *, last: bool) -> None:
        nonce, about = _numbers(self._blocks, last=last)
        sealed = self._cipher.encrypt(nonce, data, about)
        self._file.write(_LENGTH.pack(len(sealed)) + sealed)
        self._blocks += 1

    def read(self) -> Iterator[bytes]:
        """Yield what was written, in blocks.

        Raises:
            OSError: the file is gone, or is not what was written.
        """
        with self._path.open("rb") as file:
            for number in range(self._blocks):
                head = file.read(_LENGTH.size)
                size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
                nonce, about = _numbers(number, last=number == self._blocks - 1)
                try:
                    yield self._cipher.decrypt(nonce, file.read(min(size, BLOCK + _TAG)), about)
                except (InvalidTag, ValueError) as error:
                    raise OSError("the file is not what was written") from error


def _numbers(block: int, *, last: bool) -> tuple[bytes, bytes]:
    number = block.to_bytes(11, "big")
    return number + bytes([last]), b"yuetone sealed file 1" + number + bytes([last])
