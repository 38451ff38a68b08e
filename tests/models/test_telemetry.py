"""No process of ours looks anything up or keeps a device id because it loads onnxruntime."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT = "import time; time.sleep(1.0)\n"
PROCESSES = {
    "vad": "from vad.silero import SileroModel; SileroModel()",
    "emotion": "from emotion.engine import OnnxEmotion; OnnxEmotion()",
    "diarization": "import diarization.onnx as d; d.OnnxEmbedder(); d.OnnxSegmentation()",
    "recogniser": (
        "from pathlib import Path; import asr.finding, asr.whisper\n"
        "asr.whisper.WhisperEngine(asr.finding.find_recogniser('tiny', Path('/nowhere')))"
    ),
    "suggest": "import suggest.retrieval.dense; from models.onnx import onnx_session",
    "server": "import pipeline.rpc.server, vad.gated; vad.gated.GatedVad(1)",
    "command line": "import pipeline.cli",
    "front end": "import pipeline.rpc.gateway",
    "second look": "import diarization.worker, onnxruntime",
    "fine-tuning": "import scripts.finetune.emotion.measuring, onnxruntime",
    "benchmarks": "import benchmarks.facts, onnxruntime",
}


def run(code: str, home: Path) -> subprocess.CompletedProcess[bytes]:
    """Run ``code`` in a process of its own with an empty home and no setting of ours in its environment."""
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "PYTHONPATH": f"{ROOT}:{ROOT}/proto/gen",
    }
    command = [sys.executable, "-W", "ignore", "-m", "tests.models.no_network", code]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter is Linux's")
def test_a_look_up_would_be_seen(tmp_path: Path) -> None:
    done = run("import socket; socket.getaddrinfo('host.invalid', 80)", tmp_path)
    assert done.returncode == -signal.SIGSYS


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter is Linux's")
@pytest.mark.parametrize("name", PROCESSES)
def test_nothing_is_looked_up_and_no_device_id_is_kept(name: str, tmp_path: Path) -> None:
    done = run(f"{PROCESSES[name]}\n{WAIT}", tmp_path)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    kept = [path.name for path in tmp_path.rglob("*") if "onnxruntime" in str(path) or "device" in path.name]
    assert kept == []
