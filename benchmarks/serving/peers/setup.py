"""An environment of their own for the peers; they never become dependencies.

    python -m benchmarks peers --set-up runs/peers

WhisperLive pins older faster-whisper and tokenizers than Yuetone uses; it is installed without its pins,
so that all systems run on the same CTranslate2.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

WHISPERLIVE, WHISPERLIVEKIT = "whisper-live==0.10.0", "whisperlivekit==0.2.26"
_NEEDED_BY_WHISPERLIVE = (
    "fastapi", "uvicorn", "websockets", "websocket-client", "prometheus_client", "python-multipart",
    "soundfile",
)  # fmt: skip


def python_of(folder: Path) -> Path:
    """Return the interpreter of the peers' environment."""
    return folder.resolve() / "bin" / "python"


def set_up(folder: Path) -> None:
    """Make the environment; half an hour on a slow line: torch is large.

    Raises:
        subprocess.CalledProcessError: a package could not be installed.
    """
    if not python_of(folder).exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)  # noqa: S603
    shared = [f"{name}=={version(name)}" for name in ("faster-whisper", "ctranslate2", "onnxruntime")]
    install = [str(python_of(folder)), "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, WHISPERLIVEKIT, *_NEEDED_BY_WHISPERLIVE], check=True)  # noqa: S603
    subprocess.run([*install, "--no-deps", WHISPERLIVE], check=True)  # noqa: S603
    subprocess.run([*install, *shared], check=True)  # noqa: S603


def versions(folder: Path) -> dict[str, str]:
    """Return what is installed there.

    Raises:
        FileNotFoundError: the environment was not set up.
    """
    if not python_of(folder).exists():
        raise FileNotFoundError(
            f"no environment at {folder}; run 'python -m benchmarks peers --set-up {folder}'"
        )
    names = ("whisper-live", "whisperlivekit", "faster-whisper", "ctranslate2", "onnxruntime", "torch")
    code = f"from importlib.metadata import version as v; print(*(n + '=' + v(n) for n in {names!r}))"
    command = [str(python_of(folder)), "-c", code]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return dict(pair.split("=") for pair in out.split())
