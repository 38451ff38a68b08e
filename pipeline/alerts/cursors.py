"""Places in the stream of alerts, as clients have them.

They are sealed: a number would tell one company how many alerts the others have.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 16
_NONCE_BYTES = 12
_SEALED = re.compile(r"[A-Za-z0-9_-]{48}")
_NUMBER = re.compile(r"[0-9]{1,18}")


class Cursors:
    """Seals and opens the cursors of one store.

    Args:
        store_id: of the store; cursors of another one are known by it.
        key: of the store, :data:`KEY_BYTES` bytes.
    """

    def __init__(self, store_id: str, key: bytes) -> None:
        self._store_id = store_id
        self._box = AESGCM(key)

    def seal(self, seq: int) -> str:
        """Return the cursor behind number ``seq``; another one each time."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._box.encrypt(nonce, seq.to_bytes(8), self._store_id.encode())
        return f"{self._store_id}-{base64.urlsafe_b64encode(sealed).decode('ascii').rstrip('=')}"

    def open(self, cursor: str) -> int:
        """Return the number that a cursor stands for; 0 for one of another store.

        A plain number behind the store's id is taken too: releases before sent such ones.

        Raises:
            ValueError: it is no cursor.
        """
        store_id, dash, rest = cursor.partition("-")
        if not store_id or not dash or not (_SEALED.fullmatch(rest) or _NUMBER.fullmatch(rest)):
            raise ValueError("no cursor")
        if store_id != self._store_id:
            return 0
        if _NUMBER.fullmatch(rest):
            return int(rest)
        try:
            sealed = base64.urlsafe_b64decode(rest)
            opened = self._box.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], store_id.encode())
        except (binascii.Error, InvalidTag):
            raise ValueError("no cursor") from None
        return int.from_bytes(opened)
