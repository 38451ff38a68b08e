"""Cantonese speech from espeak-ng through ``espeakng-loader`` (a wheel: no system package).

The library keeps global state, so a process has one synthesiser; use processes for parallel work.
espeak-ng is GPL-3.0: it is a tool of this script only, and nothing of it is shipped.
"""

from __future__ import annotations

import ctypes
import itertools
import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_WORD = 1  # espeak_EVENT_TYPE
_POS_CHARACTER = 1
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7  # espeak_PARAMETER

# Variants of the yue voice that sound like a person; novelty voices are left out.
TRAINING_VARIANTS = (
    "", "", "", "m1", "m2", "m3", "m4", "m5", "m6", "m8", "f1", "f2", "f3", "f5", "max", "linda", "Annie",
    "Alex", "Andy", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael",
    "Mike", "adam", "anika", "antonio", "belinda", "benjamin", "caleb", "david", "ed", "edward",
    "grandma", "gustave", "ian", "iven", "iven2", "john", "kaukovalta", "klatt", "klatt2", "klatt3",
    "michel", "miguel", "mike2", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro",
    "shelby", "steph", "steph2", "travis", "victor", "zac", "Diogo", "Reed", "Nguyen", "Andrea", "Alicia",
)  # fmt: skip
HELD_OUT_VARIANTS = ("f4", "m7", "Denis", "boris", "edward2", "aunty", "grandpa", "iven3", "klatt4", "steph3")
_LANGUAGE_SWITCH = re.compile(r"\([a-z\-]+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How to speak: espeak-ng variant, words per minute, pitch and pitch range in 0 to 99."""

    variant: str
    rate: int
    pitch: int
    pitch_range: int
    language: str = "yue"

    @classmethod
    def random(cls, rng: random.Random, *, held_out: bool = False) -> Voice:
        """Draw a voice; held-out variants are never drawn for training."""
        variants = HELD_OUT_VARIANTS if held_out else TRAINING_VARIANTS
        return cls(
            variant=rng.choice(variants),
            rate=int(rng.triangular(120, 300, 185)),
            pitch=rng.randint(20, 80),
            pitch_range=rng.randint(25, 75),
        )

    @property
    def name(self) -> str:
        """The espeak-ng voice name."""
        return f"{self.language}+{self.variant}" if self.variant else self.language


def _widest(voice: Voice) -> int:
    """Return the widest pitch range that a voice bears: espeak-ng 1.52 crashes where rob falls too low."""
    return 40 if voice.variant == "rob" and voice.pitch < 40 else 100


class _Event(ctypes.Structure):
    """espeak_EVENT of ``speak_lib.h``."""

    _fields_ = [  # noqa: RUF012 (as ctypes wants it)
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


@dataclass(frozen=True, slots=True)
class Spoken:
    """Speech whose words' beginnings are known.

    Attributes:
        pcm: float32 mono in [-1, 1], shape (n,).
        words: (text, sample in which it begins), in order; each Chinese character is one.
    """

    pcm: NDArray[np.float32]
    words: tuple[tuple[str, int], ...]


class Synthesiser:
    """Speaks and transcribes to phonemes; one per process.

    Raises:
        RuntimeError: the espeak-ng library could not be started.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate: int = self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, 0)
        if self.sample_rate <= 0:
            raise RuntimeError("espeak-ng did not start; reinstall the espeakng-loader package")
        self._chunks: list[NDArray[np.int16]] = []
        self._words: list[tuple[int, int, int]] = []  # first character from 1 on, characters, sample
        callback = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._callback = callback(self._collect)  # kept: the library holds only a bare pointer
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._voice: Voice | None = None

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        for event in itertools.takewhile(lambda event: event.type, events):
            if event.type == _WORD:
                self._words.append((event.text_position, event.length, event.sample))
        if samples and count:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def _use(self, voice: Voice) -> None:
        if voice == self._voice:
            return
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice.name}")
        values = {_RATE: voice.rate, _PITCH: voice.pitch, _RANGE: min(voice.pitch_range, _widest(voice))}
        for parameter, value in values.items():
            self._library.espeak_SetParameter(parameter, value, 0)
        self._voice = voice

    def speak(self, text: str, voice: Voice) -> NDArray[np.float32]:
        """Return ``text`` as float32 mono in [-1, 1] at :attr:`sample_rate`, shape (n,)."""
        self._use(voice)
        self._chunks.clear()
        self._words.clear()
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
        if not self._chunks:
            return np.zeros(0, np.float32)
        return np.concatenate(self._chunks).astype(np.float32) / 32768.0

    def speak_timed(self, text: str, voice: Voice) -> Spoken:
        """Return ``text`` with the times of its words, as the library tells them."""
        pcm = self.speak(text, voice)
        words = [(text[first - 1 : first - 1 + length], sample) for first, length, sample in self._words]
        return Spoken(pcm, tuple((word, sample) for word, sample in words if word.strip()))

    def phonemes(self, text: str, voice: Voice) -> str:
        """Return the phoneme mnemonics of ``text`` without stress marks, pauses and spaces."""
        self._use(voice)
        buffer = ctypes.create_string_buffer(text.encode())
        pointer = ctypes.c_char_p(ctypes.addressof(buffer))
        out = []
        while pointer.value:
            part = self._library.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, 0)
            out.append(part.decode() if part else "")
        return re.sub(r"[',_|:;\s]", "", _LANGUAGE_SWITCH.sub("", "".join(out)))


@lru_cache(maxsize=1)
def synthesiser() -> Synthesiser:
    """Return this process's synthesiser."""
    return Synthesiser()
