"""Who said what in one call: turns and finals in, attributions out. No clock, no task."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from diarization import ChannelRoles, Role, SpeakerTurn
from diarization.assign import main_speaker, same_names, word_speakers
from diarization.evidence import RoleEvidence, swapped
from diarization.turns import default_speaker, merge_turns
from pipeline.calls.events import (
    AttributionEvent,
    AttributionSource,
    ChannelFinding,
    FindingKind,
    SpeakerEvent,
    SpeakersEvent,
    TranscriptEvent,
)

KEPT = 4096
"""Utterances that can be attributed anew; those before keep what they were told."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What is needed of a final that voices may be found in: a tenth of it, since hours are kept.

    Attributes:
        start: its first sample.
        end: behind its last one.
        text: verbatim.
        texts: of its words, one a line.
        spans: start and end of each word.
    """

    start: int
    end: int
    text: str
    texts: str
    spans: array[int]

    @classmethod
    def of(cls, final: TranscriptEvent) -> _Said:
        spans = array("i", [at for word in final.words for at in (word.start, word.end)])
        return cls(
            final.start, final.end, final.raw_text, "\n".join(word.text for word in final.words), spans
        )


@dataclass(slots=True, kw_only=True)
class _Utterance:
    """What is known of one; ``id`` is empty before its final, ``said`` also where no voices will come."""

    channel: int
    start: int
    id: str = ""
    said: _Said | None = None
    turns: tuple[SpeakerTurn, ...] = ()
    words: tuple[str, ...] = ()
    speaker: str = ""
    revision: int = 0
    told: tuple[object, ...] = ()


@lru_cache(maxsize=512)
def _nobody(words: int) -> tuple[str, ...]:
    """Return the labels of words of which none has a voice; shared, since most utterances are such."""
    return ("",) * words


class SpeakerAttribution:
    """Attributes the utterances of one call.

    Args:
        roles: of the channels; swapped here when what is said contradicts them.
        evidence: what tells agents from customers.
        correct_swap: whether to swap roles that are the wrong way round, or only to say so.
        voices: whether turns of voices will come, live or after the call; without, words are not kept.
    """

    def __init__(
        self, roles: ChannelRoles, evidence: RoleEvidence, *, correct_swap: bool, voices: bool = True
    ) -> None:
        self._keeps_words = voices
        self._channels = roles
        self._evidence = evidence
        self._correct_swap = correct_swap
        self._swap_told: bool | None = None
        self._utterances: dict[tuple[int, int], _Utterance] = {}  # by channel and start; bounded by KEPT
        self._voices: dict[str, tuple[Role, float]] = {}
        self._labels: dict[str, int] = {}
        self._known: dict[str, Role] = {}
        self.watch_swap = True

    # ---------------------------------------------------------------- in

    def heard(self, channel: int, changes: Mapping[int, Sequence[SpeakerTurn]]) -> list[SpeakersEvent]:
        """Take the turns of utterances of ``channel``, by their first sample; return what is to be told."""
        for start, turns in changes.items():
            self._utterance(channel, start).turns = tuple(turns)
            self._labels |= {turn.speaker: channel for turn in turns}
        return self._tell(AttributionSource.LIVE, [(channel, start) for start in changes])

    def said(self, final: TranscriptEvent) -> list[SpeakersEvent]:
        """Take a final; return what is to be told."""
        utterance = self._utterance(final.channel, final.start)
        utterance.id, utterance.said = final.utterance_id, _Said.of(final)
        if final.speaker:
            utterance.told = _answer(final.speaker, final.role, final.word_speakers)
        events = self._tell(AttributionSource.LIVE, [(final.channel, final.start)])
        events += self._look_whether_swapped()
        if not self._keeps_words:
            utterance.said = None
        return events

    def review(self, turns: Sequence[SpeakerTurn]) -> tuple[list[SpeakersEvent], int]:
        """Take the turns of a whole recording; return what is to be told, and how many finals it changes."""
        before = [turn for found in self._utterances.values() for turn in found.turns]
        renamed = _renamed(turns, same_names(turns, before), self._labels)
        starts = [turn.start for turn in renamed]
        longest = max((turn.end - turn.start for turn in renamed), default=0)
        self._evidence = self._evidence.fresh()
        for found in self._utterances.values():
            if found.said is not None:
                low, high = found.said.start, found.said.end
                near = renamed[bisect_left(starts, low - longest) : bisect_left(starts, high)]
                found.turns = tuple(turn for turn in near if turn.end > low)
                self._labels |= {turn.speaker: found.channel for turn in found.turns}
        events = self._tell(AttributionSource.SECOND_LOOK, list(self._utterances))
        return events, sum(isinstance(event, AttributionEvent) for event in events)

    # ---------------------------------------------------------------- out

    def role_of(self, channel: int, speaker: str, at: int | None = None) -> tuple[Role, float]:
        """Return the role of a voice and its probability: the channel's at a sample, or by what it says."""
        own = self._channels.of(channel, at)
        return (own, 1.0) if own is not Role.UNKNOWN else self._voices.get(speaker, (Role.UNKNOWN, 0.5))

    def roles(self) -> dict[str, Role]:
        """Return the role of every voice that was judged by what it says."""
        return {speaker: role for speaker, (role, _) in self._voices.items()}

    def _utterance(self, channel: int, start: int) -> _Utterance:
        found = self._utterances.setdefault((channel, start), _Utterance(channel=channel, start=start))
        while len(self._utterances) > KEPT:
            self._utterances.pop(next(iter(self._utterances)))
        return found

    def _tell(self, source: AttributionSource, keys: Iterable[tuple[int, int]]) -> list[SpeakersEvent]:
        """Attribute the words of ``keys``, judge roles again, and return all that differs from before.

        Only where a role has changed, or everything is asked for by no keys, are all utterances looked at.
        """
        named = [self._utterances[key] for key in keys]
        for utterance in named:
            self._attribute(utterance)
        before = self.roles()
        self._voices = self._evidence.roles(leave="channel ")
        everything = not named or self.roles() != before
        events: list[SpeakersEvent] = [*self._new_voices()]
        for utterance in list(self._utterances.values()) if everything else named:
            event = self._attribution(utterance, source)
            if event is not None:
                events.append(event)
        return events

    def _attribute(self, utterance: _Utterance) -> None:
        final = utterance.said
        if final is None:
            return
        spans = list(zip(final.spans[::2], final.spans[1::2], strict=True))
        utterance.words = word_speakers(spans, utterance.turns) if utterance.turns else _nobody(len(spans))
        known = self._channels.of(utterance.channel) is not Role.UNKNOWN
        utterance.speaker = main_speaker(utterance.turns, utterance.words) or (
            default_speaker(utterance.channel) if known else ""
        )
        said = {f"channel {utterance.channel}": final.text}
        if not known:
            said = self._text_by_voice(utterance)
        self._evidence.put(utterance.id, said)

    @staticmethod
    def _text_by_voice(utterance: _Utterance) -> dict[str, str]:
        final = utterance.said
        if final is None:
            return {}
        if not any(utterance.words):
            return {main_speaker(utterance.turns): final.text}
        said: dict[str, str] = {}
        for word, voice in zip(final.texts.split("\n"), utterance.words, strict=True):
            said[voice] = said.get(voice, "") + (f" {word}" if word.isascii() else word)
        return said

    def _new_voices(self) -> Iterable[SpeakerEvent]:
        """Yield the voices that are new, or whose role is another one."""
        for speaker, channel in self._labels.items():
            role, sure = self.role_of(channel, speaker)
            if self._known.get(speaker) is role:
                continue
            self._known[speaker] = role
            mates = [name for name, place in self._labels.items() if place == channel]
            usual = 2 if self._channels.of(channel) is Role.UNKNOWN else 1
            yield SpeakerEvent(
                speaker=speaker,
                channel=channel,
                role=role,
                role_confidence=sure,
                additional=mates.index(speaker) >= usual,
            )

    def _attribution(self, utterance: _Utterance, source: AttributionSource) -> AttributionEvent | None:
        speaker = utterance.speaker
        if not utterance.id or not speaker:
            return None
        role, sure = self.role_of(utterance.channel, speaker, utterance.start)
        answer = _answer(speaker, role, utterance.words)
        if utterance.told == answer:
            return None
        utterance.told = answer
        utterance.revision += 1
        mine = [turn for turn in utterance.turns if turn.speaker == speaker]
        return AttributionEvent(
            utterance_id=utterance.id,
            revision=utterance.revision,
            channel=utterance.channel,
            speaker=speaker,
            role=role,
            role_confidence=sure,
            provisional=source is AttributionSource.LIVE and not all(turn.sure for turn in mine),
            source=source,
            turns=utterance.turns,
            turn_roles=tuple(
                self.role_of(utterance.channel, turn.speaker, turn.start)[0] for turn in utterance.turns
            ),
            word_speakers=utterance.words,
        )

    def _look_whether_swapped(self) -> list[SpeakersEvent]:
        """Compare what the two channels say with the roles that they should have."""
        wired = [self._channels.of(channel) for channel in range(self._channels.count)]
        if not self.watch_swap or sorted(wired) != sorted((Role.AGENT, Role.CUSTOMER)):
            return []
        odds = self._evidence.odds()
        agent, customer = wired.index(Role.AGENT), wired.index(Role.CUSTOMER)
        heard = [f"channel {channel}" for channel in (agent, customer)]
        if not all(name in odds for name in heard) or not swapped(odds[heard[0]], odds[heard[1]]):
            return []
        if not self._correct_swap and self._swap_told:
            return []
        self._swap_told = True
        finding = ChannelFinding(kind=FindingKind.SWAPPED, channel=agent, corrected=self._correct_swap)
        if not self._correct_swap:
            return [finding]
        self._channels.swap()
        return [finding, *self._tell(AttributionSource.LIVE, ())]


def _answer(speaker: str, role: Role, words: Sequence[str]) -> tuple[object, ...]:
    """Return what a client is told, in a form that can be compared."""
    return speaker, role, tuple(words) if set(words) - {speaker, ""} else ()


def _renamed(
    turns: Sequence[SpeakerTurn], names: dict[str, str], taken: Collection[str]
) -> list[SpeakerTurn]:
    """Return ``turns`` with the labels that ``names`` gives, and new ones for unknown voices."""
    number = 1
    for label in dict.fromkeys(turn.speaker for turn in turns):
        if label not in names:
            while f"A{number}" in names.values() or f"A{number}" in taken:
                number += 1
            names[label] = f"A{number}"
    return merge_turns(
        SpeakerTurn(
            speaker=names[turn.speaker],
            start=turn.start,
            end=turn.end,
            overlapped=turn.overlapped,
            sure=turn.sure,
        )
        for turn in turns
    )
