"""Fetching models by name; the only code that downloads anything, and only when a person asks for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from models.errors import ModelError
from models.registry import BUNDLED, RegistryEntry


def fetch(entry: RegistryEntry, models: Path, convert: Callable[[Path, Path], None]) -> Path:
    """Fetch a model from the public hub into ``models``; a token for private ones is read from HF_TOKEN.

    Args:
        entry: what to fetch.
        models: folder of installed models.
        convert: makes a servable directory (second argument) of a Hugging Face one (first argument).

    Returns:
        the directory, ready to be served.

    Raises:
        ModelError: it comes with the package, or the hub cannot be reached; the message names the fix.
    """
    if entry.name == BUNDLED:
        raise ModelError("the bundled model comes with the package; nothing to fetch")
    target, download = models / entry.name, models / f".download-{entry.name}"
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 (a dependency of faster-whisper)

        snapshot_download(entry.source, revision=entry.revision, local_dir=download)
    except Exception as error:
        raise ModelError(
            f"cannot fetch {entry.source} from the hub ({type(error).__name__}); check the network, or copy "
            f"a CTranslate2 directory to {target} by hand"
        ) from error
    if entry.format == "hf":
        convert(download, target)
        shutil.rmtree(download)
    else:
        shutil.rmtree(target, ignore_errors=True)
        download.rename(target)
    return target
