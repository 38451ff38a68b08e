"""What one stream saw, and the figures that follow from it; the same for every system that is measured."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.serving.speech import Said
from cantonese.scoring import scoring_form

PROBE_MS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A message with text.

    Attributes:
        at: when it came, s, monotonic.
        covers_ms: the end of the audio that it takes into account.
        final: nothing in it will change.
        text: of the utterance.
        key: of the utterance.
    """

    at: float
    covers_ms: int
    final: bool
    text: str = ""
    key: str = ""


@dataclass(slots=True)
class StreamRecord:
    """One stream.

    Attributes:
        said: what was in its audio.
        sent: ms of audio that had gone out, and when, s, monotonic.
        updates: what came back, in order.
        failed: why the stream broke, empty if it did not.
        late_s: worst delay of the sender behind its own schedule: the load generator's own trouble.
    """

    said: Sequence[Said]
    sent: list[tuple[int, float]] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    failed: str = ""
    late_s: float = 0.0

    def sent_at(self, ms: int) -> float | None:
        """Return when the audio up to ``ms`` had gone out."""
        index = bisect_left(self.sent, (ms, 0.0))
        return self.sent[index][1] if index < len(self.sent) else None

    def final_latencies(self) -> list[float]:
        """Return s from sending each sentence's last sample to the first final that covers it."""
        return [self._until_covered(said.end_ms, finals=True) for said in self.said]

    def covered_latencies(self) -> list[float]:
        """Return s from sending each sentence's last sample to the first update that covers it."""
        return [self._until_covered(said.end_ms, finals=False) for said in self.said]

    def _until_covered(self, ms: int, *, finals: bool) -> float:
        sent = self.sent_at(ms)
        slack = 2 * PROBE_MS  # detectors need not agree with us where the last sound ends
        found = (u.at for u in self.updates if u.covers_ms >= ms - slack and (u.final or not finals))
        at = next((at for at in found if sent is not None and at >= sent), None)
        return float("inf") if at is None or sent is None else at - sent

    def partial_ages(self) -> list[float]:
        """Return, for every 20 ms of speech, s from sending it to the first update that covers it."""
        ages, index = [], 0
        for said in self.said:
            for ms in range(said.start_ms + PROBE_MS, said.end_ms + 1, PROBE_MS):
                while index < len(self.updates) and self.updates[index].covers_ms < ms - PROBE_MS:
                    index += 1
                sent = self.sent_at(ms)
                if index == len(self.updates) or sent is None:
                    ages.append(float("inf"))
                else:
                    ages.append(max(0.0, self.updates[index].at - sent))
        return ages

    def first_partials(self) -> list[float]:
        """Return s from sending each sentence's first sample to the first text of it."""
        first = []
        for said in self.said:
            sent = self.sent_at(said.start_ms)
            if sent is not None:
                later = (u.at - sent for u in self.updates if u.covers_ms > said.start_ms and u.at > sent)
                first.append(next(later, float("inf")))
        return first

    def changed_characters(self) -> tuple[int, int]:
        """Return how many characters already shown were changed later, and how many were shown in the end."""
        changed = shown = 0
        last: dict[str, str] = {}
        for update in self.updates:
            text, before = scoring_form(update.text), last.get(update.key, "")
            same = next((i for i, (a, b) in enumerate(zip(before, text, strict=False)) if a != b), None)
            changed += len(before) - (min(len(before), len(text)) if same is None else same)
            last[update.key] = text
            shown += len(text) if update.final else 0
        return changed, shown

    def transcript(self) -> str:
        """Return the finals, in order."""
        return "".join(update.text for update in self.updates if update.final)

    def reference(self) -> str:
        """Return what was said."""
        return "".join(said.text for said in self.said)
