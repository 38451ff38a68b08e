"""What a person sees of a call: two sides, partials changing in place, totals at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.rpc.client import LatencyMeter, percentile
from yuetone.v1 import audio_pb2, transcript_pb2
from yuetone.v1 import call_service_pb2 as pb

_NAMES = {
    audio_pb2.ROLE_CUSTOMER: ("客戶 customer", "cyan"),
    audio_pb2.ROLE_AGENT: ("客服 agent", "green"),
    audio_pb2.ROLE_UNSPECIFIED: ("", "white"),
}
LINES_SHOWN = 14


@dataclass(slots=True)
class Totals:
    """Counts of one call, for the summary."""

    finals: int = 0
    partials: int = 0
    warnings: int = 0
    dropped_partials: int = 0
    ended: pb.Ended | None = None


def clock(ms: int) -> str:
    """Return a position as minutes and seconds."""
    return f"{ms // 60000:02d}:{ms % 60000 / 1000:04.1f}"


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
        self._live = Live(console=console, refresh_per_second=12, transient=False, vertical_overflow="crop")
        self.totals = Totals()

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

    def take(self, message: pb.StreamCallResponse) -> None:
        """Show a server message."""
        self._at_ms = max(self._at_ms, message.acked_audio_ms)
        match message.WhichOneof("event"):
            case "transcript":
                self._transcript(message.transcript)
            case "warning":
                self.totals.warnings += 1
                self._note(f"warning {message.warning.code}: {message.warning.message}")
            case "error":
                self._note(f"error {message.error.code}: {message.error.message}")
            case "health":
                self.totals.dropped_partials = message.health.dropped_partials
            case "ended":
                self.totals.ended = message.ended
        if self._console.is_terminal:
            self._live.update(self._table())

    def _note(self, text: str) -> None:
        self._console.print(Text(text, style="yellow"))

    def _transcript(self, transcript: transcript_pb2.Transcript) -> None:
        self.totals.finals += transcript.is_final
        self.totals.partials += not transcript.is_final
        if transcript.is_final and not transcript.text:
            self._rows.pop(transcript.utterance_id, None)
            return
        self._rows[transcript.utterance_id] = transcript
        if transcript.is_final and not self._console.is_terminal:
            name, _style = _NAMES.get(transcript.role, ("", ""))
            self._console.print(
                f"[{clock(transcript.start_ms)}] {name:<12} {transcript.text}", markup=False, soft_wrap=True
            )

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
            sides = ("", text) if row.role == audio_pb2.ROLE_AGENT else (text, "")
            table.add_row(clock(row.start_ms), *sides)
        heading = Table.grid(expand=True)
        heading.add_column(ratio=1)
        heading.add_column(ratio=1, justify="right")
        heading.add_row(
            Text(_NAMES[audio_pb2.ROLE_CUSTOMER][0], "bold cyan"),
            Text(_NAMES[audio_pb2.ROLE_AGENT][0], "bold green"),
        )
        return Group(heading, table, Text(f"{clock(self._at_ms)} received", style="dim"))


def summary(view: CallView, meter: LatencyMeter, *, cpu_seconds: float | None, paced: bool) -> Table:
    """Return totals and latencies of a finished call."""
    table = Table(title="Summary", title_justify="left", show_header=False, box=None, padding=(0, 2))
    ended, totals = view.totals.ended, view.totals
    if ended:
        table.add_row("audio", f"{ended.audio_ms / 1000:.1f} s, of it speech {ended.speech_ms / 1000:.1f} s")
    table.add_row(
        "transcript",
        f"{totals.finals} finals, {totals.partials} partials ({totals.dropped_partials} dropped)",
    )
    if paced:
        table.add_row("final latency", _spread(meter.latencies.finals) + " (incl. endpoint silence)")
        table.add_row("partial age", _spread(meter.latencies.partial_ages))
    if cpu_seconds is not None and ended and ended.audio_ms:
        per_second = cpu_seconds / (ended.audio_ms / 1000)
        table.add_row("processor", f"{per_second:.3f} CPU-s per call-second, client included")
    return table


def _spread(values: list[float]) -> str:
    middle, high = percentile(values, 0.5), percentile(values, 0.95)
    if middle is None or high is None:
        return "none measured"
    return f"p50 {middle * 1000:.0f} ms, p95 {high * 1000:.0f} ms (n={len(values)})"
