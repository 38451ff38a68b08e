"""The curve of a call as a picture."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asr.context import ContextFigures
from emotion import AgitationSettings
from pipeline.analysis.report import ChannelReport
from pipeline.calls.info import SAMPLE_RATE
from pipeline.errors import SettingsError

_KINDS = (("voice", "#4477aa"), ("words", "#cc6677"), ("behaviour", "#ddaa33"))
MOST_ROWS = 20


FORMATS = (".png", ".svg", ".pdf")


def check_target(out: Path) -> None:
    """Refuse a picture that could not be written, before the work is done.

    Raises:
        SettingsError: its folder or its format does not exist, or matplotlib is missing.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise SettingsError("--plot needs matplotlib: pip install 'yuetone[plot]'")
    if out.suffix.lower() not in FORMATS or not out.parent.is_dir() or out.is_dir():
        raise SettingsError(f"--plot: cannot write {out}; use a folder that exists and {', '.join(FORMATS)}")


def plot(rows: Sequence[tuple[str, ChannelReport]], settings: AgitationSettings, out: Path) -> None:
    """Draw one row for each named report: the curve, what it is made of, and the windows of the voice.

    Raises:
        SettingsError: matplotlib is missing, the file cannot be written, or there are too many rows.
    """
    check_target(out)
    if len(rows) > MOST_ROWS:
        raise SettingsError(f"--plot draws at most {MOST_ROWS} channels; give fewer files")
    import matplotlib  # noqa: PLC0415 (an extra)

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415 (behind the choice of backend)

    figure, axes = pyplot.subplots(len(rows), 1, figsize=(11, 3.2 * len(rows)), squeeze=False)
    for (name, report), axis in zip(rows, axes[:, 0], strict=True):
        _draw(axis, name, report, settings)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name in a script that no installed font has is drawn as boxes
            figure.tight_layout()
            figure.savefig(out, dpi=120)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"--plot: cannot write {out}; use a folder that exists and .png, .svg or .pdf"
        ) from error
    finally:
        pyplot.close(figure)


def plot_contexts(found: Sequence[ContextFigures], least: float, out: Path) -> None:
    """Draw error rate, runaway texts and cost over the length of context.

    Raises:
        SettingsError: matplotlib is missing, or the file cannot be written.
    """
    check_target(out)
    import matplotlib  # noqa: PLC0415 (an extra)

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415 (behind the choice of backend)

    figure, axis = pyplot.subplots(figsize=(8, 4))
    at = [row.context_s for row in found]
    axis.plot(at, [100 * row.error for row in found], "o-", color="#4477aa", label="error rate, %")
    axis.plot(at, [100 * row.runaway for row in found], "s--", color="#cc6677", label="runaway texts, %")
    axis.axvline(least, color="grey", linestyle=":", label=f"least safe: {least:g} s")
    axis.set_xlabel("context, s (0: the speech's own length)")
    axis.set_ylim(bottom=0)
    cost = axis.twinx()
    cost.plot(at, [row.cpu_s_per_s for row in found], "^-", color="#ddaa33", label="CPU-s a second of speech")
    cost.set_ylim(bottom=0)
    lines = [*axis.get_lines(), *cost.get_lines()]
    axis.legend(lines, [str(line.get_label()) for line in lines], fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=120)
    pyplot.close(figure)


def _draw(axis: Any, name: str, report: ChannelReport, settings: AgitationSettings) -> None:
    at = [point.at / SAMPLE_RATE for point in report.curve]
    layers = [[getattr(point, kind) * point.value for point in report.curve] for kind, _colour in _KINDS]
    axis.stackplot(
        at, *layers, labels=[kind for kind, _ in _KINDS], colors=[colour for _, colour in _KINDS], alpha=0.55
    )
    axis.plot(at, [point.value for point in report.curve], color="black", linewidth=1.2, label="agitation")
    for window in report.windows:
        if window.reading.quality > 0:
            span = [window.start / SAMPLE_RATE, window.end / SAMPLE_RATE]
            axis.plot(span, [window.reading.score] * 2, color="#4477aa", linewidth=3, alpha=0.4)
    for value, style in ((settings.tense, ":"), (settings.agitated, "--")):
        axis.axhline(value, color="grey", linestyle=style, linewidth=0.8)
    axis.set_ylim(0, 1)
    axis.set_xlim(0, max(at, default=1) or 1)
    axis.set_title(name, loc="left", fontsize=10)
    axis.set_xlabel("s")
    axis.legend(loc="upper right", fontsize=8)
