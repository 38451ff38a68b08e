"""The guard of one call: finds personal data in every transcript before anybody reads it. Pure.

Mask first, reveal later: what may become somebody's number is hidden while it grows, and shown again by a
:class:`pipeline.calls.events.RedactionEvent` once its speaker has gone on with something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from cantonese.personal import NUMBERS, SECRETS, Category, Changed, DialogueRedactor, PersonalSpan
from diarization import Role
from pipeline.calls.controls import History
from pipeline.calls.events import RedactionEvent, TranscriptEvent
from pipeline.calls.info import SAMPLE_RATE, SaidBefore
from pipeline.redaction.masking import redacted_text
from pipeline.redaction.views import ORIGINAL
from pipeline.sections.redaction import RedactionSettings

REVEAL_S = 1.2
"""Silence behind an utterance after which what it ended in is shown, if it tells nothing alone, s."""
FOREVER = 1 << 62
KEPT, MOST_KEPT = 90 * SAMPLE_RATE, 1024
"""How long a final is kept, samples, and how many at most: twice as long as sound waits for its words, so
that what was hidden of the words is known when their sound is cut."""


UNCERTAIN = 0.6
"""Confidence of an answer to a question for a number below which none of it may be heard where no number is
found in it: the digits may have been taken for words."""
EVERYWHERE = SECRETS | {Category.CARD}
"""Categories that are silenced on all channels: the other side may be heard repeating them."""


@dataclass(slots=True)
class _Final:
    event: TranscriptEvent
    guarded: TranscriptEvent
    unsure: tuple[PersonalSpan, ...] = ()
    revision: int = 0


@dataclass(slots=True)
class _Channel:
    """A channel that may have something to show again.

    Attributes:
        ended: end of its last final with provisional masks; None without one.
    """

    ended: int | None = None
    role: Role = Role.UNKNOWN


class CallGuard:
    """Guards one call.

    Args:
        settings: what is hidden.
        channels: of the call.
        sensitive: what was announced as sensitive by the client, at each sample.
    """

    def __init__(
        self, settings: RedactionSettings, channels: int, sensitive: History[Category | None]
    ) -> None:
        self._settings = settings
        self._hidden = settings.hidden
        self._sensitive = sensitive
        self._channels = [_Channel() for _ in range(channels)]
        self._redactor = DialogueRedactor(public_numbers=settings.public_numbers)
        self._finals: dict[str, _Final] = {}  # bounded by MOST_KEPT

    def remember(self, said: Iterable[SaidBefore]) -> None:
        """Take what was said before the call came to this node: a question that waits for its number.

        Numbers and names that were hidden there are not known here.
        """
        if not self._settings.enabled:
            return
        for one in said:
            self._hear(one.channel, one.role)
            start, end = one.start / SAMPLE_RATE, one.end / SAMPLE_RATE
            self._redactor.turn(one.utterance_id, one.channel, one.text, start, end)

    def partial(self, event: TranscriptEvent) -> TranscriptEvent:
        """Return a partial with what is hidden of it."""
        if not self._settings.enabled:
            return event
        self._hear(event.channel, event.role)
        spans = self._redactor.preview(event.channel, event.verbatim, event.start / SAMPLE_RATE)
        return self._guarded(event, spans)

    def final(self, event: TranscriptEvent) -> tuple[TranscriptEvent, list[RedactionEvent]]:
        """Return a final with what is hidden of it, and earlier ones of which more or less is hidden now."""
        if not self._settings.enabled:
            return event, []
        self._hear(event.channel, event.role)
        start, end = event.start / SAMPLE_RATE, event.end / SAMPLE_RATE
        awaited = self._redactor.awaited(event.channel, start)
        found = self._redactor.turn(event.utterance_id, event.channel, event.verbatim, start, end)
        unsure = _unsure(event, awaited, found.spans)
        guarded = self._guarded(event, (*unsure, *found.spans))
        self._finals[event.utterance_id] = _Final(event, guarded, unsure)
        self._forget(event.end - KEPT)
        waits = any(span.provisional for span in guarded.personal)
        self._channels[event.channel].ended = event.end if waits else None
        return guarded, self._told(found.changed)

    def _forget(self, before: int) -> None:
        while self._finals:
            name, oldest = next(iter(self._finals.items()))
            if oldest.event.end >= before and len(self._finals) <= MOST_KEPT:
                return
            del self._finals[name]

    def advance(self, channel: int, at: int, *, speaking: bool) -> list[RedactionEvent]:
        """Return finals of which less is hidden, now that a channel has come to sample ``at``.

        Args:
            channel: which.
            at: its position.
            speaking: whether an utterance is open on it: it may go on with a number.
        """
        state = self._channels[channel]
        if state.ended is None or speaking or at < state.ended + int(REVEAL_S * SAMPLE_RATE):
            return []
        state.ended = None
        return self._told(self._redactor.reveal(channel))

    def finish(self) -> list[RedactionEvent]:
        """Return finals of which less is hidden, now that the call has ended."""
        return self._told(self._redactor.finish())

    # ---------------------------------------------------------------- sound

    def settled(self, channel: int, safe: int) -> int:
        """Return the sample of a channel before which it is known what must not be heard.

        Args:
            channel: which.
            safe: before which everything said is in finals that were told.
        """
        begun = self._finals.get(str(self._redactor.waiting(channel)))
        return safe if begun is None else min(safe, begun.event.start)

    def unheard(self, channel: int) -> list[tuple[int, int]]:
        """Return stretches of a channel that must not be heard: first samples, and behind the last ones.

        A secret is silenced with all of its utterance, and with cards on every channel.
        """
        return self._stretches(channel, lambda _category: True) + self._announced_stretches()

    def _stretches(self, channel: int, hides: Callable[[Category], bool]) -> list[tuple[int, int]]:
        """Return stretches of a channel in which something of some categories is said."""
        found: list[tuple[int, int]] = []
        for kept in self._finals.values():
            event = kept.guarded
            masks = event.redacted.masks if event.redacted is not None else ()
            if any(mask.category in SECRETS for mask in masks):
                found.append((event.start, event.end))
            elif event.channel == channel:
                found += [
                    (mask.first, mask.last) for mask in masks if hides(mask.category) and not mask.provisional
                ]
            else:
                found += [(mask.first, mask.last) for mask in masks if mask.category in EVERYWHERE]
        return found

    def _announced_stretches(self) -> list[tuple[int, int]]:
        """Return the stretches that the client said were sensitive."""
        return [
            (first, FOREVER if last is None else last)
            for first, last, value in self._sensitive.intervals()
            if value is not None
        ]

    def never_heard(self, channel: int) -> list[tuple[int, int]]:
        """Return those of the stretches of :meth:`unheard` that nobody may hear, and that are not kept."""
        own = self._stretches(channel, lambda category: category not in ORIGINAL)
        return own + self._announced_stretches()

    # ---------------------------------------------------------------- masks

    def _hear(self, channel: int, role: Role) -> None:
        self._channels[channel].role = role
        self._redactor.agents = frozenset(
            index for index, channel in enumerate(self._channels) if channel.role is Role.AGENT
        )

    def _guarded(self, event: TranscriptEvent, spans: Iterable[PersonalSpan]) -> TranscriptEvent:
        personal = tuple(span for span in spans if span.category in self._hidden)
        announced = self._announced(event)
        if announced is not None and event.verbatim:
            personal = (PersonalSpan(0, len(event.verbatim), announced),)
        if not personal:
            return replace(event, verbatim="")
        redacted = redacted_text(event, personal, self._settings.style)
        return replace(event, personal=personal, redacted=redacted)

    def _announced(self, event: TranscriptEvent) -> Category | None:
        """Return what the client said was sensitive at any time of an utterance."""
        values: Sequence[Category | None] = self._sensitive.within(event.start, event.end)
        return next((value for value in values if value is not None), None)

    def _told(self, changed: Iterable[Changed]) -> list[RedactionEvent]:
        events: list[RedactionEvent] = []
        for change in changed:
            kept = self._finals.get(str(change.turn))
            if kept is None:
                continue
            kept.revision += 1
            final = kept.guarded = self._guarded(kept.event, (*kept.unsure, *change.spans))
            events.append(RedactionEvent(revision=kept.revision, final=final))
        return events


def _unsure(
    event: TranscriptEvent, awaited: Category | None, found: Iterable[PersonalSpan]
) -> tuple[PersonalSpan, ...]:
    """Return an empty span where an answer may be the number that was asked for, heard wrongly.

    Its words, which are not what was said, stay; its sound goes.
    """
    certain = event.confidence is not None and event.confidence >= UNCERTAIN
    given = any(span.category in NUMBERS or span.category is Category.NUMBER for span in found)
    if awaited is None or certain or given or not event.verbatim:
        return ()
    return (PersonalSpan(0, 0, awaited),)


def hidden_whole(event: TranscriptEvent) -> TranscriptEvent:
    """Return a transcript of which nothing can be read: for where the guard itself failed."""
    span = PersonalSpan(0, len(event.verbatim), Category.SENSITIVE)
    personal = (span,) if event.verbatim else ()
    if not personal:
        return replace(event, text="", raw_text="", words=(), word_speakers=(), spans=(), verbatim="")
    redacted = redacted_text(event, personal, RedactionSettings().style)
    return replace(event, personal=personal, redacted=redacted)
