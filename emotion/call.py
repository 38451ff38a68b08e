"""One speaker of one call: windows, words and behaviour in; windows to judge and a curve out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from emotion.agitation import AgitationCurve, AgitationPoint, AgitationSettings
from emotion.base import VoiceReading
from emotion.behaviour import Behaviour, BehaviourTracker
from emotion.words import EmotionLexicon, LexiconHit, WordsReading, read_words

ANGRY_WITHOUT_WORDS = 0.5
"""Share of the model's 'angry' that stays without words or behaviour behind it. Acted anger and acted joy
sound alike (AUC of one against the other 0.6 to 0.8 on six corpora), so the voice alone never makes
'angry' the likeliest."""
HITS_KEPT = 24


class SpeakerEmotion:
    """All evidence of one speaker.

    Args:
        settings: how evidence becomes agitation.
        lexicon: words of complaint and thanks.
        earlier_calls: of this customer about the same matter, 0 if not known.
    """

    def __init__(self, settings: AgitationSettings, lexicon: EmotionLexicon, earlier_calls: int = 0) -> None:
        self._curve = AgitationCurve(settings)
        self._lexicon = lexicon
        self._behaviour = BehaviourTracker(earlier_calls)
        self._curve.behaviour(self._behaviour.opening())
        self.hits: list[tuple[int, LexiconHit]] = []
        self.doings: list[Behaviour] = self._behaviour.opening()
        self.point: AgitationPoint | None = None

    def voice(self, end: int, reading: VoiceReading) -> None:
        """Take the judgement of a window that ended at position ``end``."""
        self._curve.voice(end, reading.score, reading.quality)

    def said(self, text: str, *, start: int, end: int) -> WordsReading:
        """Take a final of this speaker; return what its words say."""
        reading = read_words(text, self._lexicon)
        self._curve.words(end, reading)
        self.hits = [*self.hits, *((end, hit) for hit in reading.hits)][-HITS_KEPT:]
        self._note(self._behaviour.said(text, start=start, end=end))
        return reading

    def begins(self, *, own: bool, at: int) -> None:
        """This speaker (``own``) or the other one begins to speak."""
        self._behaviour.begins(own=own, at=at)

    def ends(self, *, own: bool, at: int) -> None:
        """This speaker (``own``) or the other one stops."""
        self._note(self._behaviour.ends(own=own, at=at))

    def _note(self, found: list[Behaviour]) -> None:
        self._curve.behaviour(found)
        self.doings = [*self.doings, *found][-HITS_KEPT:]

    def advance(self, to: int) -> list[AgitationPoint]:
        """Return the points of the curve that are due up to position ``to``."""
        points = self._curve.advance(to)
        if points:
            self.point = points[-1]
        return points


class Conversation:
    """Who speaks when, told to all speakers of a call.

    Args:
        speakers: by channel.
    """

    def __init__(self, speakers: Sequence[SpeakerEmotion]) -> None:
        self._speakers = speakers
        self._cut: set[int] = set()  # channels whose utterance was only cut at its greatest length

    def begins(self, channel: int, at: int) -> None:
        """An utterance begins; one that goes on behind a cut does not."""
        if channel not in self._cut:
            for index, speaker in enumerate(self._speakers):
                speaker.begins(own=index == channel, at=at)
        self._cut.discard(channel)

    def ends(self, channel: int, at: int, *, cut: bool) -> None:
        """An utterance ends, or is only cut."""
        if cut:
            self._cut.add(channel)
            return
        for index, speaker in enumerate(self._speakers):
            speaker.ends(own=index == channel, at=at)


def restrained(probabilities: dict[str, float], *, supported: bool) -> dict[str, float]:
    """Return the probabilities as they may be shown: unsupported, half of 'angry' goes to 'other'."""
    if supported or not probabilities:
        return probabilities
    withheld = probabilities["angry"] * (1 - ANGRY_WITHOUT_WORDS)
    return {
        **probabilities,
        "angry": probabilities["angry"] - withheld,
        "other": probabilities["other"] + withheld,
    }
