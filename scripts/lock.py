"""Write ``requirements/``: what make installs, by version and hash.

    python -m scripts.lock        # with the oldest Python that is supported: it needs most
    python -m scripts.lock run    # only that set

Versions come from ``constraints.txt``; what is needed, from pip itself, which resolves without installing.
The hashes are those of all files of a release on the package index, so that other platforms and Pythons find
theirs. A file that was exchanged on its way, or on the index, is refused.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
INDEX = "https://pypi.org/simple"
SETS = {
    "run": (".[plot]",),
    "cuda": (
        "nvidia-cublas-cu12>=12.4,<13",
        "nvidia-cudnn-cu12>=9,<10",
    ),  # CTranslate2 opens them at run time
    "server": (".[documents,postgresql,tracing]",),
    "all": (".[dev,documents,finetune,plot,postgresql,pyannote,tracing]",),
    "sbom": ("cyclonedx-bom>=7,<8",),
}
BUILD = ("hatchling>=1.27", "editables>=0.5")
"""Builds this project, without another environment that nobody pinned."""
_JSON = "application/vnd.pypi.simple.v1+json"
_WHEEL = re.compile(r"[^-]+-(?P<version>[^-]+)(-\d[^-]*)?-[^-]+-[^-]+-(?P<platform>[^-]+)\.whl")


def resolved(wanted: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return name and version of all that pip would install; raises CalledProcessError where it cannot."""
    command = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-",
        "--constraint", "constraints.txt", *wanted, *BUILD,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    return sorted(
        (normal(item["name"]), str(item["version"]).partition("+")[0])
        for item in found
        if normal(item["name"]) != "yuetone"
    )


def normal(name: str) -> str:
    """Return a project's name in its one form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def files_of(name: str, version: str) -> list[dict[str, Any]]:
    """Return the files of a release on the index; raises OSError."""
    request = urllib.request.Request(f"{INDEX}/{name}/", headers={"Accept": _JSON})  # noqa: S310 (https)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (https)
        listed = json.loads(answer.read())["files"]
    return [file for file in listed if is_of(file["filename"], name, version)]


def is_of(filename: str, name: str, version: str) -> bool:
    """Tell whether a file is a wheel or a source archive of a release."""
    wheel = _WHEEL.fullmatch(filename)
    if wheel:
        return wheel["version"] == version
    stem = re.sub(r"\.(tar\.gz|zip)$", "", filename)
    return stem != filename and normal(stem) == normal(f"{name}-{version}")


def is_for_linux(files: list[dict[str, Any]]) -> bool:
    """Tell whether a release has nothing for a Mac: what torch brings for NVIDIA cards, for example."""
    wheels = [_WHEEL.fullmatch(file["filename"]) for file in files]
    return all(wheel and not wheel["platform"].startswith(("any", "macosx")) for wheel in wheels)


def line_of(name: str, version: str) -> str:
    """Return a requirement with all its hashes.

    Raises:
        SystemExit: the index has no such release.
    """
    files = files_of(name, version)
    if not files:
        sys.exit(f"{INDEX}/{name}/ has no files of version {version}")
    marker = ' ; sys_platform == "linux"' if is_for_linux(files) else ""
    hashes = sorted({file["hashes"]["sha256"] for file in files})
    return f"{name}=={version}{marker}" + "".join(f" \\\n    --hash=sha256:{value}" for value in hashes)


def lines(wanted: tuple[str, ...]) -> Iterator[str]:
    """Yield the requirements of a set."""
    with ThreadPoolExecutor(8) as threads:
        yield from threads.map(lambda item: line_of(*item), resolved(wanted))


def main() -> None:
    """Write the files."""
    (ROOT / "requirements").mkdir(exist_ok=True)
    for name in sys.argv[1:] or SETS:
        out = ROOT / "requirements" / f"{name}.txt"
        head = "# Written by 'python -m scripts.lock'; versions are in constraints.txt.\n"
        out.write_text(head + "\n".join(lines(SETS[name])) + "\n", "ascii")
        print(out.relative_to(ROOT))


if __name__ == "__main__":
    main()
