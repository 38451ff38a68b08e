"""What is kept of a call, sealed under its own key. Pure.

AES-256-GCM (NIST SP 800-38D). What a message is, and where it belongs, is authenticated with it: none can be
put into another call, another place, or read as something else. No nonce is used twice under one key: it is
the number of the event, or channel and number of the piece of sound; that of a note, which is written anew a
few times, is drawn.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE_BYTES = 12
_EVENT = struct.Struct(">IQ")
_SOUND = struct.Struct(">IIHH")


class Damaged(ValueError):
    """What is kept of a call is not what was written: changed, moved or cut off."""


class CallCipher:
    """Seals and opens what is kept of one call.

    Args:
        record_id: of the call.
        key: 256 bits, of this call alone.
    """

    def __init__(self, record_id: str, key: bytes) -> None:
        self._record_id = record_id
        self._events = AESGCM(_derived(key, b"events"))
        self._sound = AESGCM(_derived(key, b"sound"))
        self._notes = AESGCM(_derived(key, b"notes"))

    def seal_event(self, seq: int, kind: str, data: bytes) -> bytes:
        """Return an event sealed."""
        return self._events.encrypt(_EVENT.pack(0, seq), data, self._about_event(seq, kind))

    def open_event(self, seq: int, kind: str, sealed: bytes) -> bytes:
        """Return an event as it was.

        Raises:
            Damaged: it is not what was written there.
        """
        return _opened(self._events, _EVENT.pack(0, seq), sealed, self._about_event(seq, kind))

    def seal_sound(self, channel: int, number: int, version: int, data: bytes) -> bytes:
        """Return a piece of a channel's sound sealed; ``version`` counts how often it was written anew."""
        place = _SOUND.pack(0, number, channel, version)
        return self._sound.encrypt(place, data, self._about_sound(place))

    def open_sound(self, channel: int, number: int, version: int, sealed: bytes) -> bytes:
        """Return a piece of sound as it was.

        Raises:
            Damaged: it is not what was written there.
        """
        place = _SOUND.pack(0, number, channel, version)
        return _opened(self._sound, place, sealed, self._about_sound(place))

    def seal_note(self, kind: str, data: bytes) -> bytes:
        """Return what is kept beside the call, sealed; it may be written anew, so its nonce is drawn.

        Args:
            kind: of note; authenticated, so that none is read as another.
            data: what is kept.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._notes.encrypt(nonce, data, self._about_note(kind))

    def open_note(self, kind: str, sealed: bytes) -> bytes:
        """Return a note as it was.

        Raises:
            Damaged: it is not what was written there.
        """
        return _opened(self._notes, sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._about_note(kind))

    def _about_note(self, kind: str) -> bytes:
        return f"yuetone record 1|{self._record_id}|note|{kind}".encode()

    def _about_event(self, seq: int, kind: str) -> bytes:
        return f"yuetone record 1|{self._record_id}|{seq}|{kind}".encode()

    def _about_sound(self, place: bytes) -> bytes:
        return f"yuetone record 1|{self._record_id}|{place.hex()}".encode()


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"yuetone record 1|" + purpose).derive(
        key
    )


def _opened(cipher: AESGCM, nonce: bytes, sealed: bytes, about: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, about)
    except (InvalidTag, ValueError) as error:
        raise Damaged("what is kept of the call is not what was written") from error
