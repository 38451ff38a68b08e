"""The voices of one channel while the call goes on: labels that stay, and corrections where they cannot.

A pure core without clock or thread. Every utterance is cut into windows; a window's local speakers become
vectors; all vectors of the call (a bounded number) are clustered again with every utterance, and clusters get
the labels that most of their speech had before. What changed is returned, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from diarization.base import SAMPLE_RATE, SHORTEST, Embedder, Pcm, SpeakerSegmentation, SpeakerTurn
from diarization.clustering import ClusterSettings, cluster
from diarization.local import LocalSpeaker, hear_window
from diarization.segments import SpeechSegment, at_once, mean_directions, turn_of
from diarization.turns import merge_turns

MOST_ITEMS = 160
"""Vectors kept; beyond that, the older half becomes one vector for each voice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """How voices are followed.

    Attributes:
        clusters: when two stretches are one voice.
        hop_s: longest part of an utterance that is judged from one window.
        context_s: speech before that part which is heard again.
        gap_s: speech before an utterance that the voice detector may have missed.
        sure_s: clean speech after which a voice is taken to be known.
        stick: how much closer another voice must be before a stretch that was told changes its label.
        sure_margin: how much closer than to any other voice a stretch must be for its label to be sure.
    """

    clusters: ClusterSettings = field(default_factory=ClusterSettings)
    hop_s: float = 4.0
    context_s: float = 2.0
    gap_s: float = 2.0
    sure_s: float = 2.0
    sure_margin: float = 0.08
    stick: float = 0.2


class SpeakerTracker:
    """Follows the voices of one channel.

    Args:
        segmenter: tells local speakers apart.
        embedder: makes vectors of voices.
        settings: how.
        prefix: of all labels.
    """

    def __init__(
        self, segmenter: SpeakerSegmentation, embedder: Embedder, settings: TrackerSettings, prefix: str = "S"
    ) -> None:
        self._segmenter, self._embedder, self._settings = segmenter, embedder, settings
        self._prefix = prefix
        self._items: list[SpeechSegment] = []
        self._labels = 0
        self._heard_to = 0
        self._told: dict[int, tuple[SpeakerTurn, ...]] = {}

    @property
    def context(self) -> int:
        """Samples before an utterance that :meth:`utterance` is glad to have."""
        return int((self._settings.context_s + self._settings.gap_s) * SAMPLE_RATE)

    def usual(self, voices: int) -> None:
        """Expect so many voices on this channel from now on."""
        clusters = replace(self._settings.clusters, usual=voices)
        self._settings = replace(self._settings, clusters=clusters)

    def utterance(
        self, key: int, pcm: Pcm, origin: int, start: int, end: int
    ) -> dict[int, tuple[SpeakerTurn, ...]]:
        """Hear an utterance; return the turns of every utterance that is told otherwise than before.

        Args:
            key: names the utterance, 0 or more.
            pcm: float32 mono at 16 kHz, from ``origin`` to at least ``end``.
            origin: sample that ``pcm`` begins with, at most ``start``.
            start: first sample of the utterance.
            end: behind its last sample.
        """
        self.add(key, self.listen(pcm, origin, max(origin, self.reach(start)), end), end)
        return self.settle()

    def reach(self, start: int) -> int:
        """Return where to begin with an utterance: a voice detector misses soft beginnings."""
        return max(self._heard_to, start - int(self._settings.gap_s * SAMPLE_RATE))

    def listen(self, pcm: Pcm, origin: int, start: int, end: int) -> list[list[LocalSpeaker]]:
        """Return the local speakers of each window of an utterance (see there); changes nothing."""
        found = []
        for first, last in self._parts(start, end):
            heard_from = max(origin, first - int(self._settings.context_s * SAMPLE_RATE))
            window = pcm[heard_from - origin : last - origin]
            if len(window) >= SHORTEST:
                found.append(hear_window(window, heard_from, first, last, self._segmenter, self._embedder))
        return found

    def settle(self) -> dict[int, tuple[SpeakerTurn, ...]]:
        """Cluster everything; return the turns of every utterance that is told otherwise than before."""
        self._cluster()
        return self._changes()

    def add(self, key: int, windows: Sequence[Sequence[LocalSpeaker]], end: int) -> None:
        """Take what :meth:`listen` found in an utterance up to ``end``."""
        self._heard_to = end
        for speakers in windows:
            self._add(key, speakers)
        self._told.setdefault(key, ())

    def _parts(self, start: int, end: int) -> Iterable[tuple[int, int]]:
        """Cut an utterance into parts of about the same length, none longer than a hop."""
        count = max(1, -(-(end - start) // int(self._settings.hop_s * SAMPLE_RATE)))
        edges = np.linspace(start, end, count + 1).astype(int)
        return [(int(a), int(b)) for a, b in pairwise(edges)]

    def _add(self, key: int, speakers: Sequence[LocalSpeaker]) -> None:
        items = [
            SpeechSegment(key=key, vector=found.vector, seconds=found.seconds, spans=found.spans)
            for found in speakers
        ]
        for item in items:
            item.rivals = [other for other in items if other is not item and at_once(item, other)]
        self._items += items

    def _cluster(self) -> None:
        if len(self._items) > MOST_ITEMS:
            self._condense(len(self._items) // 2)
        known = [item for item in self._items if item.vector is not None]
        if not known:
            return
        vectors = np.stack([item.vector for item in known if item.vector is not None])
        seconds = np.array([item.seconds for item in known], np.float32)
        places = {id(item): number for number, item in enumerate(known)}
        apart = [
            (place, places[id(rival)])
            for item, place in ((item, places[id(item)]) for item in known)
            for rival in item.rivals
            if id(rival) in places and places[id(rival)] > place
        ]
        voices = self._kept(
            known, vectors, seconds, cluster(vectors, seconds, self._settings.clusters, apart)
        )
        self._name(known, voices)
        self._judge(known, vectors, seconds, voices)
        self._place_short()

    def _kept(
        self, known: list[SpeechSegment], vectors: np.ndarray, seconds: np.ndarray, voices: np.ndarray
    ) -> np.ndarray:
        """Return ``voices``, with stretches where they were told to be unless others are clearly closer."""
        names = np.unique(voices)
        means = mean_directions(vectors, seconds, voices, names)
        similar = vectors @ means.T
        claims: dict[str, np.ndarray] = {}
        for item, voice in zip(known, voices, strict=True):
            if item.label:
                shares = claims.setdefault(item.label, np.zeros(len(names)))
                shares[np.searchsorted(names, voice)] += item.seconds
        homes = {label: int(np.argmax(shares)) for label, shares in claims.items()}
        kept = voices.copy()
        for number, item in enumerate(known):
            home = homes.get(item.label, -1)
            now = int(np.searchsorted(names, voices[number]))
            if (
                home >= 0
                and home != now
                and similar[number, now] - similar[number, home] < self._settings.stick
            ):
                kept[number] = names[home]
        return kept

    def _name(self, known: list[SpeechSegment], voices: np.ndarray) -> None:
        """Give every voice the label that most of its speech had; new voices get new ones."""
        claims: dict[tuple[int, str], float] = {}
        for item, voice in zip(known, voices, strict=True):
            if item.label:
                claims[int(voice), item.label] = claims.get((int(voice), item.label), 0.0) + item.seconds
        names: dict[int, str] = {}
        for (voice, label), _ in sorted(claims.items(), key=lambda claim: -claim[1]):
            if voice not in names and label not in names.values():
                names[voice] = label
        for item, voice in zip(known, voices, strict=True):
            if int(voice) not in names:
                self._labels += 1
                names[int(voice)] = f"{self._prefix}{self._labels}"
            item.label = names[int(voice)]

    def _judge(
        self, known: list[SpeechSegment], vectors: np.ndarray, seconds: np.ndarray, voices: np.ndarray
    ) -> None:
        """Say which labels are sure: the voice is known, and no other one is nearly as close."""
        names = np.unique(voices)
        similar = vectors @ mean_directions(vectors, seconds, voices, names).T
        own = similar[np.arange(len(voices)), np.searchsorted(names, voices)]
        similar[np.arange(len(voices)), np.searchsorted(names, voices)] = -1.0
        other = similar.max(axis=1)
        for number, item in enumerate(known):
            heard = float(seconds[voices == voices[number]].sum())
            item.sure = bool(
                heard >= self._settings.sure_s and own[number] - other[number] >= self._settings.sure_margin
            )

    def _place_short(self) -> None:
        """Give stretches that are too short for a vector to whoever spoke last before them."""
        last = ""
        for item in self._items:
            if item.vector is None and last:
                item.label = last
            last = item.label or last

    def _condense(self, count: int) -> None:
        """Turn the oldest ``count`` items into one for each label; their utterances change no more."""
        old, self._items = self._items[:count], self._items[count:]
        kept = []
        for label in dict.fromkeys(item.label for item in old if item.vector is not None):
            group = [item for item in old if item.label == label and item.vector is not None]
            total = np.sum(
                [item.vector * np.sqrt(item.seconds) for item in group if item.vector is not None], axis=0
            )
            vector = (total / (np.linalg.norm(total) + 1e-9)).astype(np.float32)
            seconds = float(sum(item.seconds for item in group))
            kept.append(
                SpeechSegment(key=-1, vector=vector, seconds=seconds, spans=(), label=label, sure=True)
            )
        left = {id(item) for item in self._items}
        for item in self._items:
            item.rivals = [rival for rival in item.rivals if id(rival) in left]
        self._items = kept + self._items
        alive = {item.key for item in self._items} - {item.key for item in old}
        self._told = {key: turns for key, turns in self._told.items() if key in alive}

    def _changes(self) -> dict[int, tuple[SpeakerTurn, ...]]:
        now: dict[int, list[SpeakerTurn]] = {key: [] for key in self._told}
        for item in self._items:
            if item.key in now and item.label:
                now[item.key] += [turn_of(item, span) for span in item.spans]
        changed = {}
        for key, turns in now.items():
            whole = tuple(merge_turns(turns))
            if whole != self._told[key]:
                self._told[key] = changed[key] = whole
        return changed


class Tracker(Protocol):
    """Follows the voices of one channel; see :class:`SpeakerTracker`."""

    @property
    def context(self) -> int:
        """Samples before an utterance that :meth:`utterance` is glad to have."""
        ...

    def usual(self, voices: int) -> None:
        """Expect so many voices on this channel from now on."""
        ...

    def utterance(
        self, key: int, pcm: Pcm, origin: int, start: int, end: int
    ) -> dict[int, tuple[SpeakerTurn, ...]]:
        """Hear an utterance; return the turns of every utterance that is told otherwise than before."""
        ...


class Voices(Protocol):
    """Tells voices apart; shared by all calls."""

    @property
    def name(self) -> str:
        """Name of the model that knows voices."""
        ...

    @property
    def enabled(self) -> bool:
        """Whether voices are told apart at all."""
        ...

    def tracker(self, prefix: str = "S") -> Tracker:
        """Return what follows one channel, whose labels begin with ``prefix``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceEngines:
    """:class:`Voices` by a segmentation model, a speaker encoder and the settings that fit them."""

    segmenter: SpeakerSegmentation
    embedder: Embedder
    settings: TrackerSettings

    @property
    def name(self) -> str:
        """Name of the speaker encoder."""
        return self.embedder.name

    @property
    def enabled(self) -> bool:
        """True."""
        return True

    def tracker(self, prefix: str = "S") -> SpeakerTracker:
        """Return what follows one channel, whose labels begin with ``prefix``."""
        return SpeakerTracker(self.segmenter, self.embedder, self.settings, prefix)


class NoVoices:
    """:class:`Voices` where diarization is turned off: nobody is told apart."""

    name = "none"
    enabled = False

    def tracker(self, prefix: str = "S") -> Tracker:
        """Return what follows one channel and finds no voice."""
        return _NoTracker()


class _NoTracker:
    """A :class:`Tracker` of :class:`NoVoices`."""

    context = 0

    def usual(self, voices: int) -> None:
        """Expect nothing."""

    def utterance(
        self, key: int, pcm: Pcm, origin: int, start: int, end: int
    ) -> dict[int, tuple[SpeakerTurn, ...]]:
        """Find no voice."""
        return {}


def tracker_settings(embedder: Embedder, segmenter: SpeakerSegmentation) -> TrackerSettings:
    """Return settings that fit the models."""
    tuned = segmenter.tuned
    clusters = ClusterSettings(spread=embedder.spread)
    return TrackerSettings(
        clusters=replace(clusters, expected=tuned[0], unexpected=tuned[1]) if tuned else clusters
    )
