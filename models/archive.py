"""Files of a model out of whatever they are packed in: a folder, wheels, a zip or a tar archive.

Only members that are asked for are written, each to a place of ours: a name inside cannot lead elsewhere.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from models.errors import ModelError
from models.files import replacing

REQUIRED = ("model.bin", "config.json", "tokenizer.json")
OPTIONAL = ("vocabulary.txt", "vocabulary.json", "preprocessor_config.json", "yuetone.toml", "ctc.npz")
CHUNK = 1 << 20
Open = Callable[[], AbstractContextManager[IO[bytes]]]


def members(path: Path) -> dict[str, Open]:
    """Return what opens each file in ``path``, by its name inside; wheels in a folder are looked into.

    Raises:
        ModelError: there is no such file, or it is no archive that can be read.
    """
    try:
        if path.is_dir():
            return dict(_of_folder(path))
        if zipfile.is_zipfile(path):
            return dict(_of_zip(path))
        if tarfile.is_tarfile(path):
            return dict(_of_tar(path))
    except (OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    raise ModelError(f"{path} is no folder, zip, wheel or tar archive")


def _of_folder(folder: Path) -> Iterator[tuple[str, Open]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".whl":
            yield from _of_zip(path)
        elif path.is_file():
            yield path.relative_to(folder).as_posix(), lambda path=path: path.open("rb")  # type: ignore[misc]


def _of_zip(path: Path) -> Iterator[tuple[str, Open]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    for name in names:
        yield name, lambda name=name: _open_in_zip(path, name)  # type: ignore[misc]


@contextmanager
def _open_in_zip(path: Path, name: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        yield file


def _of_tar(path: Path) -> Iterator[tuple[str, Open]]:
    with tarfile.open(path) as archive:
        names = [member.name for member in archive if member.isfile()]
    for name in names:
        yield name, lambda name=name: _open_in_tar(path, name)  # type: ignore[misc]


@contextmanager
def _open_in_tar(path: Path, name: str) -> Iterator[IO[bytes]]:
    with tarfile.open(path) as archive:
        file = archive.extractfile(name)
        if file is None:
            raise ModelError(f"{path}: {name} is no file")
        with file:
            yield file


def put_together(found: Mapping[str, Open], wanted: Mapping[str, Sequence[str]], out: Path) -> None:
    """Write a model's files into the folder ``out``.

    Args:
        found: members of an archive.
        wanted: for each file the members that it consists of; without them it is looked for by its name.
        out: folder to write to.

    Raises:
        ModelError: a required file is missing, or there are two of it.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in (*REQUIRED, *OPTIONAL):
        parts = [part for part in wanted.get(name, ()) if part in found]
        if not parts or len(parts) < len(wanted.get(name, ())):
            parts = [member for member in found if member.rsplit("/", 1)[-1] == name]
            if len(parts) > 1:
                raise ModelError(f"there are {len(parts)} files named {name}; pack one model only")
        if not parts:
            if name in REQUIRED:
                raise ModelError(f"there is no {name} in it")
            continue
        _concatenate([found[part] for part in parts], out / name)


def pack_directory(folder: Path, target: Path) -> None:
    """Write the files of a model into one tar archive that :func:`members` reads.

    Raises:
        OSError: it cannot be written.
    """
    names = [name for name in (*REQUIRED, *OPTIONAL, "README.md") if (folder / name).is_file()]
    with replacing(target) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for name in names:
            archive.add(folder / name, f"{folder.name}/{name}")


def _concatenate(parts: Sequence[Open], target: Path) -> None:
    with replacing(target) as file:
        for part in parts:
            with part() as source:
                while data := source.read(CHUNK):
                    file.write(data)
