"""Which transcript lines belong to which recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from client.decoding import SUFFIXES
from scripts.finetune.corpus.recordings import UNREAD
from scripts.finetune.corpus.transcripts import BadLine, Line


def _bare(name: str) -> str:
    """Return ``name`` without the suffix of an audio file, if it has one."""
    path = Path(name)
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES + UNREAD else name


def match(
    folder: Path, recordings: Sequence[Path], lines: Sequence[Line]
) -> tuple[dict[Path, list[Line]], list[BadLine]]:
    """Give each line to its recording, by relative path, file name or stem.

    Returns:
        lines by recording, every recording included, and what could not be given: lines without a
        recording, and recordings without a line.
    """
    names: dict[str, set[Path]] = defaultdict(set)
    for path in recordings:
        relative = path.relative_to(folder)
        for name in (str(relative), str(relative.with_suffix("")), path.name, path.stem):
            names[name].add(path)
    matched: dict[Path, list[Line]] = {path: [] for path in recordings}
    unmatched: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        found = names.get(line.recording) or names.get(_bare(line.recording)) or names.get(line.stem) or set()
        if len(found) == 1:
            matched[next(iter(found))].append(line)
        else:
            reason = "several recordings have this name; give its path" if found else "no such recording"
            unmatched[line.recording, reason].append(line)
    bad = [
        BadLine(found[0].source, f"transcript of {name}: {reason} ({len(found)} lines)")
        for (name, reason), found in unmatched.items()
    ]
    bad += [
        BadLine(str(path.relative_to(folder)), "recording without a transcript")
        for path in recordings
        if not matched[path]
    ]
    return matched, bad
