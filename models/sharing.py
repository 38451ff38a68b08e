"""A promoted model on its way to other machines: copied from a folder they reach, checked by its digest."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import ModelError
from models.files import sha256_of
from models.promotion import promoted_folder, read_promotions, write_promotions

SHORT = 12
"""Characters of the digest in a folder's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedModel:
    """A model that every machine shall serve.

    Attributes:
        kind: kind of model, as in :mod:`models.promotion`.
        name: name of its folder where it was promoted.
        digest: see :func:`digest_of`.
        source: folder that other machines copy it from.
    """

    kind: str
    name: str
    digest: str
    source: str

    @property
    def folder(self) -> str:
        """Name of its folder on other machines, unlike that of any other content."""
        return f"{self.name.removesuffix(f'-{self.digest[:SHORT]}')}-{self.digest[:SHORT]}"


def digest_of(folder: Path) -> str:
    """Return the SHA-256 over names and contents of all files of a folder, in hexadecimal.

    Raises:
        ModelError: it cannot be read, or is empty.
    """
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        lines = [f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n" for path in files]
    except OSError as error:
        raise ModelError(f"{folder} cannot be read ({error.strerror})") from error
    if not lines:
        raise ModelError(f"{folder} is not there, or empty")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_served(model: SharedModel, models: Path) -> bool:
    """Tell whether a machine's pointer names a model already.

    Raises:
        ModelError: the pointer is damaged.
    """
    stack = read_promotions(models, model.kind).stack
    return bool(stack) and stack[-1] in (model.folder, model.name) and _is_it(model, models, stack[-1])


def _is_it(model: SharedModel, models: Path, name: str) -> bool:
    folder = promoted_folder(models, model.kind) / name
    return folder.is_dir() and (name == model.folder or digest_of(folder) == model.digest)


def install(model: SharedModel, models: Path) -> Path:
    """Copy a model to this machine and let its pointer name it; what is not as it should be changes nothing.

    Several processes may do so at once.

    Args:
        model: which one.
        models: folder of installed models of this machine.

    Raises:
        ModelError: it cannot be copied, or is another one than was promised.
    """
    target = promoted_folder(models, model.kind) / model.folder
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.parent):
            if not target.is_dir():
                _copy(model, target)
            promotions = read_promotions(models, model.kind)
            if not promotions.stack or promotions.stack[-1] != model.folder:
                promotions.stack.append(model.folder)
                promotions.history.append({"action": "shared", "name": model.folder, "sha256": model.digest})
                write_promotions(models, promotions, model.kind)
    except OSError as error:
        raise ModelError(f"{target} cannot be written ({error.strerror})") from error
    return target


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process of this machine installs a model of the kind."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy(model: SharedModel, target: Path) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".shared-") as name:
            fresh = Path(name) / "model"
            shutil.copytree(model.source, fresh)
            if digest_of(fresh) != model.digest:
                raise ModelError(f"{model.source} is not the model that was shared (sha256 differs)")
            fresh.rename(target)
    except (OSError, shutil.Error) as error:
        raise ModelError(f"{model.source} cannot be copied ({_reason(error)})") from error


def _reason(error: OSError) -> str:
    return error.strerror or "some files cannot be read"
