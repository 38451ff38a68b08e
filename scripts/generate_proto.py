"""Generate the committed stubs in ``proto/gen`` from ``proto/yuetone``.

python -m scripts.generate_proto            # write them
python -m scripts.generate_proto --check    # fail if they are not what the sources give
"""

from __future__ import annotations

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "proto"
GENERATED = ROOT / "proto" / "gen"
PACKAGE = Path("yuetone") / "v1"


def generate(out: Path) -> None:
    """Run protoc over all sources into ``out``; raise CalledProcessError when it fails."""
    sources = sorted(str(path) for path in (SOURCES / PACKAGE).glob("*.proto"))
    flags = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{SOURCES}", *flags, *sources]
    scripts = Path(sys.executable).parent  # where the protoc-gen-mypy plug-ins are
    subprocess.run(command, check=True, env={"PATH": str(scripts)}, stderr=subprocess.PIPE)  # noqa: S603
    for folder in (out / "yuetone", out / PACKAGE):
        (folder / "__init__.py").write_text('"""Generated from proto/yuetone; do not edit."""\n')
    (out / "yuetone" / "py.typed").touch()


def drift() -> list[str]:
    """Return the generated files that differ from what the sources give."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        generate(out)
        fresh = {path.relative_to(out) for path in out.rglob("*.py*")}
        kept = {p.relative_to(GENERATED) for p in GENERATED.rglob("*.py*") if p.suffix != ".pyc"}
        changed = [
            name
            for name in sorted(fresh | kept)
            if name not in fresh
            or name not in kept
            or not filecmp.cmp(out / name, GENERATED / name, shallow=False)
        ]
    return [str(name) for name in changed]


def main() -> int:
    """Write or check the stubs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        GENERATED.mkdir(parents=True, exist_ok=True)
        generate(GENERATED)
        return 0
    changed = drift()
    for name in changed:
        print(f"stale: proto/gen/{name} (run: make proto)")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
