"""Endless training examples: turns, voices, the line, cut edges, English, and sound without speech."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from asr.features import LogMel
from cantonese.spoken import MARKS, normalize_spoken
from scripts.finetune.bundled.no_speech import no_speech
from scripts.finetune.bundled.turns import Piece, Turn, conversations, sentence, written
from scripts.finetune.bundled.vocoder import Speaker, VocoderVoice
from scripts.finetune.common.held_out import held_out
from scripts.finetune.recogniser.examples import mask, pad
from scripts.finetune.recogniser.line import (
    SAMPLE_RATE,
    add_noise,
    pad_silence,
    reverberate,
    shift_voice,
    telephone,
)
from scripts.finetune.recogniser.network import Batch
from scripts.finetune.recogniser.tokens import TokenLayout
from scripts.finetune.tiny.examples import batches_of, hotword_prompt
from scripts.finetune.tiny.synth import Voice, synthesiser
from scripts.finetune.tiny.texts import Texts

Pcm = NDArray[np.float32]
KINDS = {"conversation": 0.5, "written": 0.16, "espeak": 0.18, "english": 0.11, "nothing": 0.05}
"""Shares of the examples."""
CUT_SHARE, MASK_SHARE = 0.3, 0.2
LONGEST_S, SHORTEST_S = 14.0, 0.4
BUCKET = SAMPLE_RATE // 2
"""Audio is padded to 0.5 s, as the streaming engine does."""
ECHOES = 2
"""How often an example is used (data echoing, Choi et al. 2019), each time masked otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where examples come from.

    Attributes:
        voice: speaks syllables.
        texts: sentences other than conversations.
        english: recordings and their texts.
    """

    voice: VocoderVoice
    texts: Texts
    english: Sequence[tuple[Path, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One utterance.

    Attributes:
        pcm: float32 mono at 16 kHz, shape (n,).
        text: verbatim form; empty where nothing is said.
        language: Whisper code that the decoder is started with.
        prompt: hotwords, or empty.
    """

    pcm: Pcm
    text: str
    language: str
    prompt: str = ""


def english_clips(folder: Path, *, testing: bool = False) -> list[tuple[Path, str]]:
    """Return files and texts of English; ``manifest.csv`` has the columns file, speaker, transcript."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as rows:
        return [
            (folder / row["file"], _cased(row["transcript"]))
            for row in csv.DictReader(rows)
            if row["transcript"] and held_out(row["speaker"]) is testing
        ]


def _cased(text: str) -> str:
    words = [("I" + word[1:].lower()) if word.split("'")[0] == "I" else word.lower() for word in text.split()]
    line = " ".join(words)
    return line[:1].upper() + line[1:] + "."


class ExampleMaker:
    """Draws examples; the same generator gives the same texts; both synthesisers keep a state of their own.

    Args:
        sources: where they come from.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._recordings = conversations()

    def draw(self, rng: random.Random) -> Example:
        """Return one example, line and room included."""
        while True:
            kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
            found = getattr(self, f"_{kind}")(rng)
            if found is None:
                continue
            pcm = distort(np.random.default_rng(rng.getrandbits(63)), found.pcm)
            if SHORTEST_S <= len(pcm) / SAMPLE_RATE <= LONGEST_S:
                return Example(pcm=pcm, text=found.text, language=found.language, prompt=found.prompt)

    # ---------------------------------------------------------------- kinds

    def _conversation(self, rng: random.Random) -> Example | None:
        """Return turns of one recording that follow one another, each speaker in a voice of its own."""
        recording = rng.choice(self._recordings)
        start = rng.randrange(len(recording))
        wanted = rng.choices([6, 14, 30, 60], [0.3, 0.35, 0.25, 0.1])[0]
        turns: list[Turn] = []
        for turn in recording[start : start + 12]:
            if turns and sum(len(t.pieces) for t in turns) + len(turn.pieces) > wanted:
                break
            turns.append(turn)
        return self._spoken(turns, rng)

    def _written(self, rng: random.Random) -> Example | None:
        """Return a sentence of other sources, spoken by syllables."""
        source = rng.choices(["service", "corpus", "figures", "words"], [0.4, 0.4, 0.15, 0.05])[0]
        return self._spoken([sentence(self._sources.texts.draw(rng, source).text)], rng)

    def _spoken(self, turns: Sequence[Turn], rng: random.Random) -> Example | None:
        speakers: dict[str, Speaker] = {}
        parts: list[Pcm] = []
        pieces: list[tuple[Piece, int]] = []  # and the sample behind it
        at = 0
        for turn in turns:
            speaker = speakers.setdefault(turn.speaker, Speaker.random(rng))
            pcm, ends = self._said(turn, speaker, rng)
            if pcm is None:
                return None
            pieces += [(piece, at + end) for piece, end in zip(turn.pieces, ends, strict=True)]
            parts += [pcm, np.zeros(int(rng.uniform(0, 0.5) * SAMPLE_RATE), np.float32)]
            at += len(parts[-2]) + len(parts[-1])
        pcm, kept = _cut(np.concatenate(parts[:-1]), pieces, rng)
        text = written([piece for piece, _end in kept])
        if not text.strip(MARKS):
            return None
        return Example(
            pcm=pcm, text=text, language="yue", prompt=hotword_prompt(rng, text, self._sources.texts)
        )

    def _said(self, turn: Turn, speaker: Speaker, rng: random.Random) -> tuple[Pcm | None, list[int]]:
        """Return a turn in the voice of ``speaker`` and where its pieces end; None if it cannot be said."""
        names = [self._known(piece.syllable) for piece in turn.pieces]
        if None in names or not any(names):
            return None, []
        spoken = self._sources.voice.speak([name or "" for name in names], speaker, rng)
        level = np.float32(rng.uniform(0.3, 1.0) / max(1e-3, float(np.abs(spoken.pcm).max())))
        return spoken.pcm * level, list(spoken.ends)

    def _known(self, name: str | None) -> str | None:
        """Return the recorded syllable nearest to ``name``: some exist in other tones only."""
        if not name or name in self._sources.voice:
            return name
        near = (name[:-1] + tone for tone in "632541")
        return next((other for other in near if other in self._sources.voice), None)

    def _espeak(self, rng: random.Random) -> Example | None:
        """Return a sentence by espeak-ng, which the tests know and which also says English words."""
        if rng.random() < 0.5:
            text = self._mixed(rng)
        else:
            text = self._sources.texts.draw(rng, rng.choice(["service", "figures", "corpus"])).text
        speaker = synthesiser()
        pcm = speaker.speak(text, Voice.random(rng))
        if not len(pcm):
            return None
        shifted = shift_voice(pcm, speaker.sample_rate, rng.uniform(0.88, 1.14))
        spoken = normalize_spoken(text)
        if not spoken:
            return None
        return Example(
            pcm=shifted, text=spoken, language="yue", prompt=hotword_prompt(rng, spoken, self._sources.texts)
        )

    def _mixed(self, rng: random.Random) -> str:
        """Return a turn of a conversation, one with English words if one is found."""
        turns = [rng.choice(rng.choice(self._recordings)) for _ in range(8)]
        return next(
            (turn.text for turn in turns if any(c.isascii() and c.isalpha() for c in turn.text)),
            turns[0].text,
        )

    def _english(self, rng: random.Random) -> Example | None:
        """Return one or two recorded English sentences, also in the middle of a Cantonese call."""
        if not self._sources.english:
            return None
        count = rng.choice([1, 1, 2])
        clips = [self._sources.english[rng.randrange(len(self._sources.english))] for _ in range(count)]
        parts = [sf.read(path, dtype="float32")[0] for path, _text in clips]
        text = normalize_spoken(" ".join(line for _path, line in clips))
        language = rng.choice(["en", "yue"])
        return Example(pcm=np.concatenate(parts), text=text, language=language)

    def _nothing(self, rng: random.Random) -> Example:
        """Return sound in which nobody speaks."""
        return Example(pcm=no_speech(rng), text="", language=rng.choice(["yue", "yue", "en"]))


def _cut(
    pcm: Pcm, pieces: Sequence[tuple[Piece, int]], rng: random.Random
) -> tuple[Pcm, Sequence[tuple[Piece, int]]]:
    """Cut an utterance anywhere, as partials are; keep the syllables that are mostly heard."""
    if rng.random() > CUT_SHARE or len(pcm) < 2 * SAMPLE_RATE * SHORTEST_S:
        return pcm, pieces
    least = int(SHORTEST_S * SAMPLE_RATE)
    end = rng.randint(least, len(pcm))
    start = rng.randint(0, max(0, end - least)) if rng.random() < 0.3 else 0
    kept: list[tuple[Piece, int]] = []
    before = 0
    for piece, behind in pieces:
        heard = min(behind, end) - max(before, start)
        if heard > 0.6 * (behind - before) and (piece.syllable or kept):
            kept.append((piece, behind))
        before = behind
    while kept and not kept[-1][0].syllable and kept[-1][1] > end - 800:
        kept.pop()
    return pcm[start:end], kept


def distort(rng: np.random.Generator, pcm: Pcm) -> Pcm:
    """Make clean speech sound like a call: margins, level, room, noise and, mostly, a telephone."""
    pcm = pad_silence(rng, pcm, 0.4) if rng.random() < 0.7 else pcm
    peak = float(np.max(np.abs(pcm), initial=1e-4))
    pcm = pcm * np.float32(10 ** (rng.uniform(-24, -1) / 20) / peak)
    if rng.random() < 0.15:
        pcm = reverberate(rng, pcm)
    if rng.random() < 0.5:
        pcm = add_noise(rng, pcm, rng.uniform(14, 45))
    if rng.random() < 0.02:
        pcm = np.clip(pcm * np.float32(rng.uniform(1, 4)), -1, 1)
    if rng.random() < 0.6:
        pcm = telephone(rng, np.clip(pcm, -1, 1))
    return np.clip(pcm, -1, 1).astype(np.float32)


class BatchStream(torch.utils.data.IterableDataset[Batch]):
    """An endless stream of batches; a worker of a seed always gives the same texts.

    Args:
        tokenizer: of the model.
        sources: where examples come from.
        ctc_tokens: tokens that the CTC head knows; its rows are numbered in this order.
        seconds: of audio in a batch, padding included.
        seed: with the worker's number, fixes every draw.
        pool: examples that are drawn at once, to put those of like length together.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        sources: Sources,
        ctc_tokens: Sequence[int],
        *,
        seconds: float,
        seed: int,
        pool: int,
    ) -> None:
        self._layouts = {language: TokenLayout(tokenizer, language) for language in ("yue", "en")}
        self._rows = {token: row for row, token in enumerate(ctc_tokens)}
        self._sources = sources
        self._seconds = seconds
        self._seed = seed
        self._pool = pool
        self._log_mel = LogMel()

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(f"{self._seed}/{worker.id if worker else 0}")
        maker = ExampleMaker(self._sources)
        while True:
            pool = sorted((maker.draw(rng) for _ in range(self._pool)), key=lambda example: len(example.pcm))
            batches = list(batches_of(pool, self._seconds))
            for _ in range(ECHOES):
                rng.shuffle(batches)
                for members in batches:
                    yield self._collate(members, np.random.default_rng(rng.getrandbits(63)))

    def _collate(self, members: Sequence[Example], rng: np.random.Generator) -> Batch:
        size = max(len(example.pcm) for example in members)
        size += -size % BUCKET
        features = []
        for example in members:
            own = self._log_mel(np.pad(example.pcm, (0, size - len(example.pcm)))).copy()
            if rng.random() < MASK_SHARE:
                mask(rng, own, len(example.pcm) // 160)
            features.append(own)
        rows = [self._layouts[e.language].sequence(e.text, prompt=e.prompt) for e in members]
        ctc = [self._ctc(example.text) for example in members]
        return Batch(
            torch.from_numpy(np.stack(features)),
            pad([tokens for tokens, _first in rows], -100),
            torch.tensor([first for _tokens, first in rows]),
            pad(ctc, 0),
            torch.tensor([len(row) for row in ctc]),
        )

    def _ctc(self, text: str) -> list[int]:
        bare = "".join(char for char in text if char not in MARKS)
        return [self._rows[t] for t in self._layouts["yue"].encode(bare) if t in self._rows]


@lru_cache(maxsize=1)
def open_sources(syllables: Path, cache: Path, english: tuple[Path, ...]) -> Sources:
    """Open everything that examples come from.

    Raises:
        FileNotFoundError: a folder has no manifest.
    """
    clips = [clip for folder in english for clip in english_clips(folder)]
    return Sources(voice=VocoderVoice(syllables, cache), texts=Texts(), english=clips)
