"""Turns of speakers as lists, and as RTTM (the format of NIST's Rich Transcription evaluations)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from diarization.base import SAMPLE_RATE, DiarizationError, SpeakerTurn

_FIELDS = 8


def merge_turns(turns: Iterable[SpeakerTurn], gap: int = 0) -> list[SpeakerTurn]:
    """Return ``turns`` by start, those of one speaker that touch (or lie within ``gap`` samples) as one."""
    open_turns: dict[str, SpeakerTurn] = {}
    done: list[SpeakerTurn] = []
    for turn in sorted(turns, key=lambda t: t.start):
        last = open_turns.get(turn.speaker)
        if last is not None and turn.start <= last.end + gap:
            open_turns[turn.speaker] = SpeakerTurn(
                speaker=turn.speaker,
                start=last.start,
                end=max(last.end, turn.end),
                overlapped=last.overlapped and turn.overlapped,
                sure=last.sure and turn.sure,
            )
            continue
        if last is not None:
            done.append(last)
        open_turns[turn.speaker] = turn
    return sorted([*done, *open_turns.values()], key=lambda t: (t.start, t.speaker))


def to_rttm(turns: Iterable[SpeakerTurn], name: str, channel: int = 1) -> str:
    """Return one line a turn; ``name`` must not hold spaces, so they become underscores."""
    file = "_".join(name.split()) or "audio"
    return "".join(
        f"SPEAKER {file} {channel} {turn.start / SAMPLE_RATE:.3f} "
        f"{(turn.end - turn.start) / SAMPLE_RATE:.3f} "
        f"<NA> <NA> {turn.speaker} <NA> <NA>\n"
        for turn in turns
    )


def read_rttm(path: Path) -> dict[str, list[SpeakerTurn]]:
    """Return the turns of every recording in an RTTM file, by name.

    Raises:
        DiarizationError: it cannot be read, or a line is wrong.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DiarizationError(f"{path} cannot be read as RTTM") from error
    found: dict[str, list[SpeakerTurn]] = {}
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts or parts[0].startswith(";") or parts[0] != "SPEAKER":
            continue
        try:
            start, length = float(parts[3]), float(parts[4])
            speaker = parts[7]
        except (IndexError, ValueError) as error:
            raise DiarizationError(f"{path}, line {number}: not a SPEAKER line of RTTM") from error
        if start < 0 or length < 0:
            raise DiarizationError(f"{path}, line {number}: times cannot be negative")
        turn = SpeakerTurn(
            speaker=speaker, start=int(start * SAMPLE_RATE), end=int((start + length) * SAMPLE_RATE)
        )
        found.setdefault(parts[1], []).append(turn)
    return found


def who(turns: Sequence[SpeakerTurn], start: int, end: int) -> str | None:
    """Return who speaks longest between two samples; the nearest one within half a second if nobody does."""
    shares: dict[str, int] = {}
    for turn in turns:
        common = min(turn.end, end) - max(turn.start, start)
        if common > 0:
            shares[turn.speaker] = shares.get(turn.speaker, 0) + common * (1 if turn.overlapped else 2)
    if shares:
        return max(shares, key=lambda name: shares[name])
    near = [(max(turn.start - end, start - turn.end), turn.speaker) for turn in turns]
    distance, speaker = min(near, default=(SAMPLE_RATE, ""))
    return speaker if distance < SAMPLE_RATE // 2 else None


@cache
def default_speaker(channel: int) -> str:
    """Return the label of the first voice of a channel."""
    return f"{letter(channel)}1"


def letter(channel: int) -> str:
    """Return what all labels of a channel begin with."""
    return chr(ord("A") + channel)
