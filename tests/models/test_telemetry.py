"""No process of ours looks anything up or keeps a device id because it loads onnxruntime."""

from __future__ import annotations

import json
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


NAMESPACE = ("unshare", "--map-root-user", "--net", "--mount")


def namespaces_are_allowed() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not namespaces_are_allowed(), reason="this machine allows no network namespaces")
def test_server_and_command_line_look_nothing_up(tmp_path: Path) -> None:
    module = [sys.executable, "-W", "ignore", "-m", "tests.models.quiet_namespace", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YUETONE_")}
    done = subprocess.run(
        [*NAMESPACE, *module],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-1000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert "seen.example" in found["proved"], "a look-up would be seen"
    assert found["statuses"] == [0] * 7
    assert found["asked"] == []
