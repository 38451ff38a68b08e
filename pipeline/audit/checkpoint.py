"""Signed heads of the log: C2SP tlog-checkpoint in a signed note, Ed25519; proofs as C2SP tlog-proof.

Formats: https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note, https://c2sp.org/tlog-proof.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipeline.errors import SettingsError

_ED25519 = b"\x01"
_HASH_BYTES = 4
NOT_A_KEY = "the key is not one from 'yuetone audit key'"
_DASH = "\u2014"


class BadCheckpoint(SettingsError):
    """A checkpoint, or a key, cannot be read, or its signature is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A head of the log.

    Attributes:
        origin: name of the log.
        size: records.
        root: head of the tree, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


class Signer:
    """Signs heads of one log.

    Args:
        origin: name of the log; no spaces, no plus signs.
        key: Ed25519.
    """

    def __init__(self, origin: str, key: Ed25519PrivateKey) -> None:
        self.origin = origin
        self._key = key
        self.verifier = Verifier(origin, key.public_key())

    @classmethod
    def at(cls, file: Path, origin: str) -> Signer:
        """Return the signer whose key is in ``file``, which is made where there is none, for its owner alone.

        Raises:
            SettingsError: it cannot be read, or is no key.
        """
        try:
            if not file.exists():
                fresh = Ed25519PrivateKey.generate().private_bytes_raw()
                with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                    out.write(base64.b64encode(fresh) + b"\n")
            raw = base64.b64decode(file.read_bytes(), validate=False)
            return cls(origin, Ed25519PrivateKey.from_private_bytes(raw))
        except (OSError, ValueError) as error:
            raise SettingsError(f"audit: the signing key {file} cannot be used") from error

    def sign(self, size: int, root: bytes) -> str:
        """Return a signed note that says: so many records have this head."""
        text = Checkpoint(origin=self.origin, size=size, root=root).text
        signature = self.verifier.key_hash + self._key.sign(text.encode())
        return f"{text}\n{_DASH} {self.origin} {_base64(signature)}\n"


class Verifier:
    """Verifies heads of one log.

    Args:
        origin: name of the log.
        key: Ed25519.
    """

    def __init__(self, origin: str, key: Ed25519PublicKey) -> None:
        self.origin = origin
        self._key = key
        named = origin.encode() + b"\n" + _ED25519 + key.public_bytes_raw()
        self.key_hash = hashlib.sha256(named).digest()[:_HASH_BYTES]

    @classmethod
    def of(cls, vkey: str) -> Verifier:
        """Return the verifier that a key in text form names: ``ORIGIN+HASH+KEY`` (signed-note).

        Raises:
            BadCheckpoint: it is no such key.
        """
        try:
            origin, key_hash, key = vkey.strip().split("+", 2)
            raw = base64.b64decode(key, validate=True)
            verifier = cls(origin, Ed25519PublicKey.from_public_bytes(raw[1:]))
        except (ValueError, binascii.Error):
            raise BadCheckpoint(NOT_A_KEY) from None
        if raw[:1] != _ED25519 or verifier.key_hash.hex() != key_hash:
            raise BadCheckpoint(NOT_A_KEY)
        return verifier

    @property
    def vkey(self) -> str:
        """The key in text form."""
        return f"{self.origin}+{self.key_hash.hex()}+{_base64(_ED25519 + self._key.public_bytes_raw())}"

    def open(self, note: str) -> Checkpoint:
        """Return what a signed note says.

        Raises:
            BadCheckpoint: it is none, of another log, or not signed by this key.
        """
        text, blank, signatures = note.partition("\n\n")
        text += "\n"
        if not blank or not any(self._signed(text, line) for line in signatures.splitlines()):
            raise BadCheckpoint("a checkpoint is not signed by the log's key")
        try:
            origin, size, root = text.splitlines()[:3]
            checkpoint = Checkpoint(origin=origin, size=int(size), root=base64.b64decode(root, validate=True))
        except (ValueError, binascii.Error):
            raise BadCheckpoint("a checkpoint cannot be read") from None
        if origin != self.origin:
            raise BadCheckpoint("a checkpoint is of another log")
        return checkpoint

    def _signed(self, text: str, line: str) -> bool:
        parts = line.split(" ")
        if len(parts) != 3 or parts[:2] != [_DASH, self.origin]:
            return False
        try:
            signature = base64.b64decode(parts[2], validate=True)
            if signature[:_HASH_BYTES] != self.key_hash:
                return False
            self._key.verify(signature[_HASH_BYTES:], text.encode())
        except (ValueError, InvalidSignature):
            return False
        return True


def proof_text(index: int, proof: Sequence[bytes], note: str) -> str:
    """Return a proof that whoever has the key can verify without the log (tlog-proof)."""
    hashes = "".join(f"{_base64(node)}\n" for node in proof)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{note}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
