"""The audio of one call on disk, from its first sample to the end of its second look, and no longer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from pipeline import leftovers
from pipeline.sealing import SealedFile

KIND = "call"

_log = structlog.get_logger(__name__)


class CallSpool:
    """A sealed file of 16-bit mono samples at 16 kHz: nobody but this process can read it.

    Args:
        folder: where; the system's folder for temporary files by default.

    Raises:
        OSError: the folder cannot be written to.
    """

    def __init__(self, folder: Path | None = None) -> None:
        handle, name = tempfile.mkstemp(prefix=leftovers.prefix(KIND), suffix=".sealed", dir=folder)
        self.path = Path(name)
        self.samples = 0
        self.failed = False
        self._sealed = SealedFile(os.fdopen(handle, "wb"), self.path)

    def write(self, pcm: NDArray[np.float32]) -> None:
        """Append audio; where the disk is full, remember that and go on."""
        if self.failed:
            return
        try:
            self._sealed.write((np.clip(pcm, -1, 1) * 32767).astype("<i2").tobytes())
        except OSError:
            self.failed = True
        self.samples += len(pcm)

    def finish(self) -> None:
        """Write what is still in memory."""
        try:
            self._sealed.finish()
        except OSError:
            self.failed = True

    def read(self) -> Iterator[bytes]:
        """Yield the samples, 16-bit little-endian, once all are written.

        Raises:
            OSError: the file is gone, or not what was written.
        """
        return self._sealed.read()

    def delete(self) -> None:
        """Remove the file; safe to call twice."""
        self.finish()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            _log.error("a recording could not be deleted", error=type(error).__name__, file=self.path.name)
