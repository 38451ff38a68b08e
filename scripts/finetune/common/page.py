"""Reports for people: one HTML file without anything from elsewhere, plots as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

from models.files import replace_file

_TEMPLATES = Path(__file__).with_name("templates")
Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a plot, or two: before and after."""

    name: str
    value: float
    label: str
    second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with a sentence, a plot and a table, each optional."""

    title: str
    text: str = ""
    bars: Sequence[Bar] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)

    @property
    def most(self) -> float:
        """Length of the longest bar."""
        return max([bar.value for bar in self.bars] + [bar.second or 0.0 for bar in self.bars] + [1e-9])

    @property
    def second(self) -> bool:
        """Whether bars come in pairs."""
        return any(bar.second is not None for bar in self.bars)


def percent(share: float) -> str:
    """Return a share as people read it."""
    return f"{100 * share:.1f} %"


def histogram(title: str, values: Sequence[float], edges: Sequence[float], unit: str) -> Section:
    """Return a section that counts ``values`` between ``edges``."""
    bars = []
    for low, high in pairwise(edges):
        count = sum(low <= value < high for value in values)
        bars.append(Bar(f"{low:g} to {high:g} {unit}", count, str(count)))
    over = sum(value >= edges[-1] for value in values)
    return Section(title=title, bars=[*bars, Bar(f"{edges[-1]:g} {unit} and more", over, str(over))])


def counts(title: str, values: Mapping[str, float], unit: str = "") -> Section:
    """Return a section with one bar for each name, longest first."""
    ranked = sorted(values.items(), key=lambda item: -item[1])[:40]
    return Section(
        title=title, bars=[Bar(name, value, f"{value:g} {unit}".strip()) for name, value in ranked]
    )


def write_page(
    path: Path,
    *,
    title: str,
    summary: str,
    sections: Sequence[Section],
    verdict: str = "",
    passed: bool = True,
    personal: bool = True,
) -> None:
    """Write a report; every text is escaped.

    Args:
        path: HTML file.
        title: heading.
        summary: one paragraph.
        sections: the rest.
        verdict: shown in green or red; empty shows none.
        passed: which of the two.
        personal: whether the page quotes calls, which it then says.
    """
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape())
    page = environment.get_template("report.html").render(
        title=title, summary=summary, sections=sections, verdict=verdict, passed=passed, personal=personal
    )
    replace_file(path, page)
