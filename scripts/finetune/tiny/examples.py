"""Endless training examples: a sentence, its voice, the telephone line, features and targets."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from asr.features import LogMel
from cantonese.spoken import MARKS, normalize_spoken
from scripts.finetune.recogniser.line import SAMPLE_RATE, augment, noise, shift_voice
from scripts.finetune.tiny.syllables import SyllableVoice, espeak_mnemonics
from scripts.finetune.tiny.synth import Voice, synthesiser
from scripts.finetune.tiny.texts import Texts
from scripts.finetune.tiny.tokenizer import token_id

# Characters of espeak-ng's phoneme mnemonics, one label each; 0 is the CTC blank.
PHONES = '\0abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@#^*?!-~&%$+=<>[]{}()"./\\`\x7f'
_PHONE_INDEX = {phone: index for index, phone in enumerate(PHONES)}
MIN_SECONDS, MAX_SECONDS = 0.3, 10.0
SYLLABLE_SHARE = 0.2
ECHOES = 2
"""How often each batch is used (data echoing, Choi et al. 2019): speaking costs as much as learning."""
HOTWORD_SHARE, SILENCE_SHARE, JOINED_SHARE = 0.10, 0.015, 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One utterance.

    Attributes:
        pcm: float32 mono, 16 kHz, shape (n,).
        text: verbatim form with marks; empty for silence.
        phones: phoneme labels as indices into :data:`PHONES`.
        prompt: hotwords in front of the transcript, or empty.
    """

    pcm: NDArray[np.float32]
    text: str
    phones: tuple[int, ...]
    prompt: str


def _line(rng: random.Random, texts: Texts, longest: int) -> str:
    line = texts.mixed(rng).text
    while len(line) > longest:
        line = texts.mixed(rng).text
    while rng.random() < JOINED_SHARE and len(line) < longest // 2:
        line = line.rstrip() + ("" if line[-1] in "，。？！,.?!" else "，") + texts.mixed(rng).text
    return line


def hotword_prompt(rng: random.Random, text: str, texts: Texts) -> str:
    """Return hotwords: a piece of the transcript among words that are not said."""
    if rng.random() > HOTWORD_SHARE or len(text) < 4:
        return ""
    words = [texts.draw(rng, "words").text[: rng.randint(2, 4)] for _ in range(rng.randint(0, 4))]
    if rng.random() < 0.7:
        start = rng.randrange(len(text) - 1)
        words.append("".join(c for c in text[start : start + rng.randint(2, 5)] if c not in MARKS))
    rng.shuffle(words)
    return "，".join(word for word in words if word.strip())


def _synthetic(rng: random.Random, line: str, *, held_out: bool) -> tuple[NDArray[np.float32], str]:
    """Speak ``line`` with espeak-ng; return 16 kHz audio and phoneme mnemonics."""
    voice = Voice.random(rng, held_out=held_out)
    speaker = synthesiser()
    pcm = speaker.speak(line, voice)
    shifted = shift_voice(pcm, speaker.sample_rate, rng.uniform(0.88, 1.14))
    return shifted, speaker.phonemes(line, voice)


def _recorded(
    rng: random.Random, line: str, syllables: SyllableVoice
) -> tuple[NDArray[np.float32], str] | None:
    """Speak ``line`` with recorded syllables; None if it has something they cannot say."""
    names = syllables.jyutping(normalize_spoken(line))
    if not names or not any(names):
        return None
    pcm = shift_voice(syllables.speak(names, rng), SAMPLE_RATE, rng.uniform(0.8, 1.35))
    return pcm, "".join(espeak_mnemonics(name) for name in names if name)


def make_example(
    rng: random.Random,
    texts: Texts,
    *,
    held_out_voice: bool,
    longest: int,
    syllables: SyllableVoice | None = None,
) -> Example:
    """Draw one example; ``longest`` limits lines, in characters."""
    noise_rng = np.random.default_rng(rng.getrandbits(63))
    if rng.random() < SILENCE_SHARE:
        samples = int(SAMPLE_RATE * rng.uniform(0.4, 3.0))
        pcm = noise(noise_rng, samples) * np.float32(10 ** rng.uniform(-4, -1.5))
        return Example(pcm=pcm, text="", phones=(), prompt="")
    while True:
        line = _line(rng, texts, longest)
        text = normalize_spoken(line)
        spoken = None
        if syllables and rng.random() < SYLLABLE_SHARE:
            spoken = _recorded(rng, line, syllables)
        pcm, labels = spoken or _synthetic(rng, line, held_out=held_out_voice)
        if text and MIN_SECONDS < len(pcm) / SAMPLE_RATE < MAX_SECONDS:
            break
    return Example(
        pcm=augment(noise_rng, pcm),
        text=text,
        phones=tuple(_PHONE_INDEX.get(label, _PHONE_INDEX["\x7f"]) for label in labels),
        prompt=hotword_prompt(rng, text, texts),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Padded tensors of equal-length-bucket utterances.

    Attributes:
        features: log-mel, float32, shape (batch, 80, frames); audio, not features, was padded.
        phones: int64, shape (batch, phones), 0 beyond ``phone_lengths``.
        phone_lengths: int64, shape (batch,).
        tokens: decoder input and target, int64, shape (batch, tokens), -100 beyond the end.
        target_from: index of the language token, the first to learn (behind the prompt), int64, (batch,).
        silent: whether there is nothing to transcribe, bool, shape (batch,).
        ctc: text tokens without marks and prompt, int64, shape (batch, n), 0 beyond ``ctc_lengths``.
        ctc_lengths: int64, shape (batch,).
    """

    features: torch.Tensor
    phones: torch.Tensor
    phone_lengths: torch.Tensor
    tokens: torch.Tensor
    target_from: torch.Tensor
    silent: torch.Tensor
    ctc: torch.Tensor
    ctc_lengths: torch.Tensor


def _pad(rows: list[list[int]], value: int) -> torch.Tensor:
    width = max(1, *map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def collate(examples: list[Example], tokenizer: Tokenizer, log_mel: LogMel) -> Batch:
    """Pad ``examples`` with silence to the longest and compute features and targets."""
    size = max(len(example.pcm) for example in examples)
    size += -size % (SAMPLE_RATE // 10)
    features = [log_mel(np.pad(example.pcm, (0, size - len(example.pcm)))) for example in examples]
    tokens, starts = zip(*(_tokens(example, tokenizer) for example in examples), strict=True)
    phones = [list(example.phones) for example in examples]
    ctc = [tokenizer.encode("".join(c for c in e.text if c not in MARKS)).ids for e in examples]
    return Batch(
        features=torch.from_numpy(np.stack(features)),
        phones=_pad(phones, 0),
        phone_lengths=torch.tensor([len(row) for row in phones]),
        tokens=_pad(list(tokens), -100),
        target_from=torch.tensor(starts),
        silent=torch.tensor([not example.text for example in examples]),
        ctc=_pad(ctc, 0),
        ctc_lengths=torch.tensor([len(row) for row in ctc]),
    )


def _tokens(example: Example, tokenizer: Tokenizer) -> tuple[list[int], int]:
    """Return the decoder sequence in Whisper's layout and the index of its first target."""
    special = partial(token_id, tokenizer)
    prompt = tokenizer.encode(example.prompt).ids if example.prompt else []
    before = [special("<|startofprev|>"), *prompt] if prompt else []
    head = [special(t) for t in ("<|startoftranscript|>", "<|yue|>", "<|transcribe|>", "<|notimestamps|>")]
    body = tokenizer.encode(example.text).ids
    return [*before, *head, *body, special("<|endoftext|>")], len(before) + 1


class _Heard(Protocol):
    @property
    def pcm(self) -> NDArray[np.float32]: ...


T = TypeVar("T", bound=_Heard)


def batches_of(pool: Sequence[T], seconds: float) -> Iterator[list[T]]:
    """Cut examples, sorted by length, into batches of about ``seconds`` of audio, padding included."""
    batch: list[T] = []
    for example in pool:
        if batch and (len(batch) + 1) * len(example.pcm) > seconds * SAMPLE_RATE:
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


class BatchStream(torch.utils.data.IterableDataset[Batch]):
    """An endless stream of batches; worker ``k`` of a seed always gives the same ones.

    Args:
        tokenizer: the small model's tokenizer.
        seconds: audio per batch, padding included.
        max_seconds: utterances longer than this are left out (short ones first, in training).
        seed: with the worker's number, fixes every draw.
        syllables: a folder for :class:`SyllableVoice`; None trains on the synthesiser alone.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        seconds: float,
        max_seconds: float,
        seed: int,
        syllables: Path | None = None,
    ) -> None:
        self._syllables = SyllableVoice(syllables) if syllables else None
        self._tokenizer = tokenizer
        self._seconds = seconds
        self._max_seconds = max_seconds
        self._seed = seed

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(f"{self._seed}/{worker.id if worker else 0}")
        texts, log_mel = Texts(), LogMel()
        longest = int(self._max_seconds * 5)
        while True:
            pool = [
                make_example(rng, texts, held_out_voice=False, longest=longest, syllables=self._syllables)
                for _ in range(400)
            ]
            pool = [e for e in pool if len(e.pcm) < self._max_seconds * SAMPLE_RATE]
            pool.sort(key=lambda example: len(example.pcm))
            batches = [collate(part, self._tokenizer, log_mel) for part in batches_of(pool, self._seconds)]
            for _ in range(ECHOES):
                rng.shuffle(batches)
                yield from batches
