"""One recording and its transcript into utterances: pure, but for the recogniser that is handed in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cantonese.read_out import read_out
from cantonese.spoken import normalize_spoken, syllables
from scripts.finetune.common.manifest import SAMPLE_RATE, Utterance, pcm_sha256
from scripts.finetune.corpus.alignment import Piece, agreement, deal
from scripts.finetune.corpus.cutting import Span, noise_power, snr_db, speech_spans, within
from scripts.finetune.corpus.transcripts import BadLine, Line

Hear = Callable[[Sequence[NDArray[np.float32]]], list[str]]
MARGIN = SAMPLE_RATE // 8
LONGEST_TIMED_S = 15.0
OVERLAP_S = 0.15
FASTEST, SLOWEST = 11.0, 0.3
"""Syllables a second beyond which a text does not belong to its audio."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """A recording as prepare sees it.

    Attributes:
        id: of the call.
        audio: float32 at 16 kHz, shape (samples, channels), as the shard gives it back.
        shard: where it lies, relative to the manifest.
        sample_rate: of the file.
        roles: of the channels.
        min_agreement: below it, a text is not taken for what was said.
    """

    id: str
    audio: NDArray[np.float32]
    shard: str
    sample_rate: int
    roles: tuple[str, ...]
    min_agreement: float


@dataclass(slots=True)
class Prepared:
    """What came of one call."""

    utterances: list[Utterance] = field(default_factory=list)
    rejects: list[BadLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    channel: int
    span: Span
    line: Line
    text: str
    aligned: float | None
    heard: str


class CallCutter:
    """Cuts calls; one for each process.

    Args:
        hear: writes what is said in clips (see :mod:`.hearing`).
    """

    def __init__(self, hear: Hear) -> None:
        self._hear = hear

    def cut(self, call: Call, lines: Sequence[Line]) -> Prepared:
        """Return the utterances of ``call``, and a reason for each line that gave none."""
        out = Prepared()
        speech = [speech_spans(np.ascontiguousarray(channel)) for channel in call.audio.T]
        timed: dict[int, list[Line]] = defaultdict(list)
        whole: dict[int | None, list[Line]] = defaultdict(list)
        for line in lines:
            channel = _channel(call, line)
            if channel is not None and not 0 <= channel < len(speech):
                out.rejects.append(BadLine(line.source, f"channel {channel} of {len(speech)}; count from 0"))
            elif line.start is None or line.end is None:
                whole[channel].append(line)
            else:
                timed[_loudest(call, line) if channel is None else channel].append(line)
        candidates: list[_Candidate] = []
        for channel, group in timed.items():
            candidates += self._timed(call, channel, group, speech[channel], out)
        for maybe, group in whole.items():
            spans = _merged(speech) if maybe is None else [(maybe, span) for span in speech[maybe]]
            candidates += self._whole(call, spans, group, out)
        noise = [noise_power(channel) for channel in call.audio.T]
        for candidate in sorted(_apart(candidates, out), key=lambda c: (c.span, c.channel)):
            self._keep(call, candidate, noise[candidate.channel], out)
        return out

    def _timed(
        self, call: Call, channel: int, lines: Sequence[Line], speech: list[Span], out: Prepared
    ) -> list[_Candidate]:
        """Take the transcriber's own times, where they can be true."""
        candidates: list[_Candidate] = []
        pending: list[tuple[Span, Line]] = []
        last = 0.0
        for line in sorted(lines, key=lambda line: line.start or 0.0):
            start, end = line.start or 0.0, line.end or 0.0
            window = (max(0, int(start * SAMPLE_RATE) - MARGIN), int(end * SAMPLE_RATE) + MARGIN)
            window = (window[0], min(window[1], len(call.audio)))
            reason = _wrong_times(start, end, last, len(call.audio) / SAMPLE_RATE)
            if not reason and not within(speech, window):
                reason = "no speech at this time"
            if reason:
                out.rejects.append(BadLine(line.source, reason))
                continue
            last = end
            if end - start > LONGEST_TIMED_S:
                spans = [(channel, span) for span in within(speech, window)]
                candidates += self._whole(call, spans, [line], out)
            else:
                pending.append((window, line))
        heard = self._hear([call.audio[a:b, channel] for (a, b), _ in pending])
        for (window, line), what in zip(pending, heard, strict=True):
            text = spoken(line.text)
            candidates.append(
                _Candidate(channel=channel, span=window, line=line, text=text, aligned=None, heard=what)
            )
        return candidates

    def _whole(
        self, call: Call, spans: Sequence[tuple[int, Span]], lines: Sequence[Line], out: Prepared
    ) -> list[_Candidate]:
        """Deal the text of lines without times to the utterances that were found."""
        if not spans:
            out.rejects += [BadLine(line.source, "no speech was found for this text") for line in lines]
            return []
        heard = self._hear([call.audio[start:end, channel] for channel, (start, end) in spans])
        texts = [spoken(line.text) for line in lines]
        out.rejects += [
            BadLine(line.source, "no words in this line")
            for line, text in zip(lines, texts, strict=True)
            if not text
        ]
        joined = "".join(text + ("" if text[-1:] in "。？！" else "。") for text in texts if text)
        try:
            dealt = deal(heard, joined)
        except ValueError as error:
            out.rejects += [BadLine(line.source, str(error)) for line in lines]
            return []
        source = lines[0].source
        out.rejects += [
            BadLine(source, f"no speech was found for a stretch of text ({len(text)} characters)")
            for text in dealt.left
        ]
        candidates = []
        for (channel, span), piece, what in zip(spans, dealt.pieces, heard, strict=True):
            line = _line_of(piece, lines, texts)
            candidates.append(
                _Candidate(
                    channel=channel,
                    span=span,
                    line=line,
                    text=piece.text,
                    aligned=piece.agreement,
                    heard=what,
                )
            )
        return candidates

    def _keep(self, call: Call, found: _Candidate, noise: float, out: Prepared) -> None:
        start, end = found.span
        place = f"{found.line.source} ({start / SAMPLE_RATE:.1f}-{end / SAMPLE_RATE:.1f} s)"
        seconds = (end - start) / SAMPLE_RATE
        reason = _unusable(found.text, seconds, found.aligned, call.min_agreement)
        if reason:
            out.rejects.append(BadLine(place, reason))
            return
        pcm = call.audio[start:end, found.channel]
        role = found.line.role or call.roles[found.channel]
        out.utterances.append(
            Utterance(
                id=f"{call.id}/{found.channel}/{start}",
                call=call.id,
                audio=call.shard,
                channel=found.channel,
                start=start,
                end=end,
                speaker=found.line.speaker or f"{call.id}/{role}",
                speaker_known=found.line.speaker is not None,
                role=role,
                text=found.text,
                source=found.line.source,
                aligned=None if found.aligned is None else round(found.aligned, 3),
                heard=found.heard,
                snr_db=round(snr_db(pcm, noise), 1),
                sample_rate=call.sample_rate,
                sha256=pcm_sha256(pcm),
            )
        )


def _apart(candidates: Sequence[_Candidate], out: Prepared) -> list[_Candidate]:
    """Leave out what was claimed twice, by lines with times and without or with a role and without.

    Times by hand come before alignment, and a better alignment before a worse one.
    """
    kept: list[_Candidate] = []
    for found in sorted(candidates, key=lambda c: -(2.0 if c.aligned is None else c.aligned)):
        start, end = found.span
        twice = any(
            other.channel == found.channel
            and min(end, other.span[1]) - max(start, other.span[0]) > MARGIN * 4
            for other in kept
        )
        if twice and found.text:
            out.rejects.append(
                BadLine(found.line.source, "another line of the transcript is for the same speech")
            )
        elif not twice:
            kept.append(found)
    return kept


def spoken(text: str) -> str:
    """Return a transcript in the form that recognisers learn to write, figures read out."""
    return normalize_spoken(read_out(text)).strip()


def _channel(call: Call, line: Line) -> int | None:
    if call.audio.shape[1] == 1:
        return 0 if line.channel is None else line.channel
    if line.channel is not None:
        return line.channel
    return call.roles.index(line.role) if line.role in call.roles else None


def _loudest(call: Call, line: Line) -> int:
    start, end = (int((t or 0.0) * SAMPLE_RATE) for t in (line.start, line.end))
    return int(np.argmax((call.audio[start : max(end, start + 1)] ** 2).sum(0)))


def _merged(speech: Sequence[list[Span]]) -> list[tuple[int, Span]]:
    return sorted(((c, span) for c, spans in enumerate(speech) for span in spans), key=lambda item: item[1])


def _wrong_times(start: float, end: float, last: float, length: float) -> str | None:
    if start < 0 or end <= start:
        return f"ends before it starts ({start:.2f} to {end:.2f} s)"
    if start < last - OVERLAP_S:
        return f"overlaps the line before on the same channel ({start:.2f} s, the other ends at {last:.2f} s)"
    return f"ends behind the recording ({end:.2f} s of {length:.2f} s)" if end > length + 0.5 else None


def _line_of(piece: Piece, lines: Sequence[Line], texts: Sequence[str]) -> Line:
    """Return the line that most of ``piece`` is from, for its role, speaker and source."""
    if len(lines) == 1:
        return lines[0]
    return max(
        zip(lines, texts, strict=True),
        key=lambda pair: (piece.text in pair[1], agreement(piece.text, pair[1])),
    )[0]


def _unusable(text: str, seconds: float, aligned: float | None, least: float) -> str | None:
    count = syllables(text)
    if not count:
        return "no words of the transcript are left for this piece of speech"
    if aligned is not None and aligned < least:
        return (
            f"text and audio could not be matched (agreement {aligned:.2f}, at least {least:.2f} is needed)"
        )
    if not SLOWEST <= count / seconds <= FASTEST:
        few = "little" if count / seconds < SLOWEST else "much"
        return f"too {few} text for the audio ({count:.0f} syllables in {seconds:.1f} s)"
    return None
