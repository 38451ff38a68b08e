"""What a person sees of a call: two sides, partials changing in place, totals at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cantonese.reading import reading_form
from client import LatencyMeter, quantile
from pipeline.cli.suggestions import SuggestionList
from yuetone.v1 import assist_pb2, audio_pb2, speakers_pb2, transcript_pb2
from yuetone.v1 import call_service_pb2 as pb

_NAMES = {
    audio_pb2.ROLE_CUSTOMER: ("客戶 customer", "cyan"),
    audio_pb2.ROLE_AGENT: ("客服 agent", "green"),
    audio_pb2.ROLE_UNSPECIFIED: ("", "white"),
}
_FINDINGS = {
    "swapped": "agent and customer are wired the wrong way round",
    "identical": "carries the same as the other one",
    "echo": "repeats the other one",
}
UNKNOWN = audio_pb2.ROLE_UNSPECIFIED
LINES_SHOWN = 14
ALERTS_SHOWN = 3
SHOWN_FROM = 0.2
"""Agitation below this is not worth a word."""
_ALERT_STATES = {
    assist_pb2.Alert.STATE_RAISED: "出現 raised",
    assist_pb2.Alert.STATE_ESCALATED: "升級 escalated",
    assist_pb2.Alert.STATE_CALMED: "平復 calmed",
    assist_pb2.Alert.STATE_ACKNOWLEDGED: "已處理 acknowledged",
    assist_pb2.Alert.STATE_EXPIRED: "無人處理 expired",
}


@dataclass(slots=True)
class Totals:
    """Counts of one call, for the summary."""

    finals: int = 0
    partials: int = 0
    warnings: int = 0
    alerts: int = 0
    attributions: int = 0
    agitation: float = 0.0
    dropped_partials: int = 0
    audio_ms: int = 0
    speech_ms: int | None = None  # of a conversation in several calls, nobody knows


def _who(transcript: transcript_pb2.Transcript) -> str:
    """Return role, and the label of the voice where the channel has more than its usual one."""
    name, _style = _NAMES.get(transcript.role, ("", ""))
    extra = transcript.speaker if transcript.speaker[1:] != "1" or not name else ""
    return f"{name} {extra}".strip()


def by_speaker(
    transcript: transcript_pb2.Transcript, roles: Mapping[str, audio_pb2.Role.ValueType]
) -> list[transcript_pb2.Transcript]:
    """Return a final as one line for each stretch of words of one voice, or as it is.

    Args:
        transcript: a final.
        roles: of the voices, as far as they are known.
    """
    runs = [list(run) for _speaker, run in groupby(transcript.words, key=lambda word: word.speaker)]
    if len(runs) < 2:
        return [transcript]
    parts = []
    for run in runs:
        voice = run[0].speaker
        text = "".join(f" {word.text}" if word.text.isascii() else word.text for word in run)
        parts.append(
            transcript_pb2.Transcript(
                utterance_id=transcript.utterance_id,
                speaker=voice,
                role=transcript.role
                if voice == transcript.speaker
                else roles.get(voice, audio_pb2.ROLE_UNSPECIFIED),
                start_ms=run[0].start_ms,
                text=reading_form(text.strip()),
            )
        )
    return parts


def clock(ms: int) -> str:
    """Return a position as minutes and seconds."""
    return f"{ms // 60000:02d}:{ms % 60000 / 1000:04.1f}"


def _placed(transcript: transcript_pb2.Transcript, origin_ms: int) -> transcript_pb2.Transcript:
    """Return a transcript with the times of the whole conversation."""
    if not origin_ms:
        return transcript
    placed = transcript_pb2.Transcript()
    placed.CopyFrom(transcript)
    placed.start_ms += origin_ms
    placed.end_ms += origin_ms
    for word in placed.words:
        word.start_ms += origin_ms
        word.end_ms += origin_ms
    return placed


class CallView:
    """Shows one call; on a terminal it redraws in place, elsewhere it prints finals as lines.

    Args:
        console: where to.
        title: heading.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._rows: dict[str, transcript_pb2.Transcript] = {}
        self._at_ms = 0
        self._origin_ms = 0
        self._newest: dict[int, str] = {}  # channel -> its newest utterance
        self._agitation: dict[str, float] = {}  # utterance -> agitation while it was the newest
        self._moods: dict[str, str] = {}  # utterance -> likeliest label of its voice
        self._roles: dict[str, audio_pb2.Role.ValueType] = {}  # of voices
        self._alerts: list[Text] = []
        self._live = Live(console=console, refresh_per_second=12, transient=False, vertical_overflow="crop")
        self.totals = Totals()
        self.hints = SuggestionList()

    def __enter__(self) -> Self:
        self._console.print(Text(self._title, style="bold"))
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._console.is_terminal:
            self._live.vertical_overflow = "visible"
            self._live.update(self._table(everything=True), refresh=True)
            self._live.stop()

    def take(self, message: pb.StreamCallResponse, origin_ms: int = 0) -> None:
        """Show a server message.

        Args:
            message: of any kind.
            origin_ms: where its call begins in the conversation, ms.
        """
        match message.WhichOneof("event"):
            case "transcript" | "redaction":
                self._said(message, origin_ms)
            case "emotion":
                self._emotion(message.emotion)
            case "alert":
                self._alert(message.alert)
            case "suggestion":
                self._suggestion(message.suggestion)
            case "speaker":
                self._roles[message.speaker.speaker] = message.speaker.role
            case "attribution":
                self._attribution(message.attribution)
            case "channel_finding" | "warning" | "error":
                self._odd(message)
            case "started" | "health" | "ended":
                self._follow(message, origin_ms)
        if self._console.is_terminal:
            self._live.update(self._table())

    def _said(self, message: pb.StreamCallResponse, origin_ms: int) -> None:
        if message.HasField("redaction"):
            self._redaction(message.redaction)
        else:
            self._transcript(_placed(message.transcript, origin_ms))

    def _started(self, origin_ms: int) -> None:
        """Keep what was said in the part before, should another server go on with the conversation."""
        if origin_ms != self._origin_ms:
            self._rows = {f"{self._origin_ms} {key}": row for key, row in self._rows.items() if row.is_final}
            self._origin_ms = origin_ms
            self._note("the server had forgotten the call; it goes on as a new one")

    def _follow(self, message: pb.StreamCallResponse, origin_ms: int) -> None:
        """Note how far the call is."""
        if message.HasField("started"):
            self._started(origin_ms)
        elif message.HasField("ended"):
            self.totals.audio_ms = message.ended.audio_ms + origin_ms
            self.totals.speech_ms = None if origin_ms else message.ended.speech_ms
        else:
            self.totals.dropped_partials = message.health.dropped_partials
            self._at_ms = max(self._at_ms, message.health.received_audio_ms + origin_ms)

    def _odd(self, message: pb.StreamCallResponse) -> None:
        """Show what should not be."""
        if message.HasField("channel_finding"):
            self._finding(message.channel_finding)
        elif message.HasField("warning"):
            self.totals.warnings += 1
            self._note(f"warning {message.warning.code}: {message.warning.message}")
        else:
            self._note(f"error {message.error.code}: {message.error.message}")

    def _note(self, text: str) -> None:
        self._console.print(Text(text, style="yellow"))

    def _emotion(self, emotion: assist_pb2.Emotion) -> None:
        newest = emotion.utterance_id or self._newest.get(emotion.channel, "")
        if emotion.probabilities:
            self._moods[newest] = max(emotion.probabilities, key=lambda label: emotion.probabilities[label])
        if emotion.HasField("agitation"):
            self._agitation[newest] = emotion.agitation
            self.totals.agitation = max(self.totals.agitation, emotion.agitation)

    def _alert(self, alert: assist_pb2.Alert) -> None:
        self.totals.alerts += alert.state == assist_pb2.Alert.STATE_RAISED
        severity = assist_pb2.Alert.Severity.Name(alert.severity).removeprefix("SEVERITY_").lower()
        text = f"⚠ {severity} {alert.rule} {_ALERT_STATES.get(alert.state, '')}: {alert.evidence}"
        line = Text(
            f"[{clock(alert.end_ms)}] {text}", style="bold red" if severity == "critical" else "yellow"
        )
        self._alerts.append(line)
        if not self._console.is_terminal:
            self._console.print(line, soft_wrap=True)

    def _suggestion(self, suggestion: assist_pb2.Suggestion) -> None:
        told = self.hints.take(suggestion)
        if told is not None and not self._console.is_terminal:
            self._console.print(told, soft_wrap=True)

    def _mood(self, utterance_id: str) -> str:
        """Return what is shown behind an utterance: how it sounds, and how agitated the customer is."""
        agitation = self._agitation.get(utterance_id, 0.0)
        mood = self._moods.get(utterance_id, "neutral")
        shown = [] if mood == "neutral" else [mood]
        if agitation >= SHOWN_FROM:
            shown.append(f"激動 {agitation:.0%}")
        return f" 〔{'，'.join(shown)}〕" if shown else ""

    def _attribution(self, told: speakers_pb2.Attribution) -> None:
        """Show an utterance on the side of who said it."""
        row = self._rows.get(told.utterance_id)
        if row is None:
            return
        changed = (row.role, row.speaker) != (told.role, told.speaker)
        row.role, row.speaker = told.role, told.speaker
        self.totals.attributions += changed
        if changed and not self._console.is_terminal:
            line = f"[{clock(row.start_ms)}] → {_who(row)}"
            self._console.print(Text(line, style="dim"), soft_wrap=True)

    def _redaction(self, told: transcript_pb2.Redaction) -> None:
        """Show an utterance of which more or less is hidden now."""
        row = self._rows.get(told.utterance_id)
        if row is None or row.text == told.text:
            return
        row.text, row.raw_text = told.text, told.raw_text
        if not self._console.is_terminal:
            self._console.print(f"[{clock(row.start_ms)}] = {told.text}", markup=False, soft_wrap=True)

    def _finding(self, finding: speakers_pb2.ChannelFinding) -> None:
        kind = speakers_pb2.ChannelFinding.Kind.Name(finding.kind).removeprefix("KIND_").lower()
        corrected = "corrected" if finding.corrected else "left as it is"
        self._note(f"channel {finding.channel}: {_FINDINGS.get(kind, kind)}, {corrected}")

    def _transcript(self, transcript: transcript_pb2.Transcript) -> None:
        self.totals.finals += transcript.is_final
        self.totals.partials += not transcript.is_final
        if transcript.is_final and not transcript.text:
            self._rows.pop(transcript.utterance_id, None)
            return
        self._rows[transcript.utterance_id] = transcript
        self._newest[transcript.channel] = transcript.utterance_id
        if transcript.is_final and not self._console.is_terminal:
            for part in by_speaker(transcript, self._roles):
                line = f"[{clock(part.start_ms)}] {_who(part):<12} {part.text}"
                self._console.print(line + self._mood(part.utterance_id), markup=False, soft_wrap=True)

    def _table(self, *, everything: bool = False) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=8, style="dim")
        table.add_column(ratio=1, overflow="fold")
        table.add_column(ratio=1, justify="right", overflow="fold")
        rows = sorted(self._rows.values(), key=lambda row: row.start_ms)
        for row in rows if everything else rows[-LINES_SHOWN:]:
            _name, style = _NAMES.get(row.role, ("", "white"))
            text = Text(row.text, style=style if row.is_final else f"{style} italic dim")
            if not row.is_final:
                text.append(" …")
            if row.speaker and row.speaker[1:] != "1":
                text.append(f" {row.speaker}", style="dim")
            text.append(self._mood(row.utterance_id), style="not italic red")
            sides = ("", text) if row.role == audio_pb2.ROLE_AGENT else (text, "")
            table.add_row(clock(row.start_ms), *sides)
        heading = Table.grid(expand=True)
        heading.add_column(ratio=1)
        heading.add_column(ratio=1, justify="right")
        heading.add_row(
            Text(_NAMES[audio_pb2.ROLE_CUSTOMER][0], "bold cyan"),
            Text(_NAMES[audio_pb2.ROLE_AGENT][0], "bold green"),
        )
        alerts = self._alerts if everything else self._alerts[-ALERTS_SHOWN:]
        return Group(
            heading, table, *self.hints.lines(), *alerts, Text(f"{clock(self._at_ms)} received", style="dim")
        )


def summary(view: CallView, meter: LatencyMeter, *, cpu_seconds: float | None, paced: bool) -> Table:
    """Return totals and latencies of a finished call."""
    table = Table(title="Summary", title_justify="left", show_header=False, box=None, padding=(0, 2))
    totals = view.totals
    if totals.audio_ms:
        speech = "" if totals.speech_ms is None else f", of it speech {totals.speech_ms / 1000:.1f} s"
        table.add_row("audio", f"{totals.audio_ms / 1000:.1f} s{speech}")
    table.add_row(
        "transcript",
        f"{totals.finals} finals, {totals.partials} partials ({totals.dropped_partials} dropped)",
    )
    table.add_row("agitation", f"highest {totals.agitation:.0%}, {totals.alerts} alerts")
    if view.hints.proposed:
        told = f"{view.hints.proposed}, for {view.hints.utterances} utterances"
        table.add_row("suggestions", told)
    if paced:
        table.add_row("final latency", _spread(meter.latencies.finals) + " (incl. endpoint silence)")
        table.add_row("partial age", _spread(meter.latencies.partial_ages))
    if cpu_seconds is not None and totals.audio_ms:
        per_second = cpu_seconds / (totals.audio_ms / 1000)
        table.add_row("processor", f"{per_second:.3f} CPU-s per call-second, client included")
    return table


def _spread(values: list[float]) -> str:
    middle, high = quantile(values, 0.5), quantile(values, 0.95)
    if middle is None or high is None:
        return "none measured"
    return f"p50 {middle * 1000:.0f} ms, p95 {high * 1000:.0f} ms (n={len(values)})"
