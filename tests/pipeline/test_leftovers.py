from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pipeline import leftovers


def test_what_dead_processes_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    gone = [tmp_path / f"yuetone-gateways-{dead}-abc", tmp_path / f"yuetone-gateways-{dead}-d.json"]
    gone[0].mkdir()
    (gone[0] / "core.sock").touch()
    gone[1].touch()
    kept = [
        tmp_path / f"{leftovers.prefix('gateways')}mine",
        tmp_path / f"yuetone-demo-{dead}-abc",
        tmp_path / "yuetone-gateways-notes",
        tmp_path / "gateways-1-x",
    ]
    for path in kept:
        path.touch()
    link = tmp_path / f"yuetone-gateways-{dead}-link"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    link.symlink_to(outside)
    leftovers.sweep("gateways", tmp_path)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    assert not link.is_symlink()
    assert (outside / "precious").exists(), "a link is deleted, not what it leads to"
    assert str(os.getpid()) in kept[0].name
