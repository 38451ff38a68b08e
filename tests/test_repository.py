"""Promises that the repository makes about itself."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from scripts.generate_proto import drift
from yuetone.v1 import (
    assist_pb2,
    audio_pb2,
    call_service_pb2,
    insight_service_pb2,
    overview_service_pb2,
    quality_service_pb2,
    record_service_pb2,
    speakers_pb2,
    suggestion_service_pb2,
    supervisor_service_pb2,
    transcript_pb2,
)

ROOT = Path(__file__).resolve().parents[1]
PROTOS = (
    audio_pb2,
    transcript_pb2,
    assist_pb2,
    speakers_pb2,
    call_service_pb2,
    insight_service_pb2,
    quality_service_pb2,
    record_service_pb2,
    overview_service_pb2,
    suggestion_service_pb2,
    supervisor_service_pb2,
)


def test_the_committed_stubs_are_what_the_sources_give() -> None:
    assert drift() == []


def test_proto_never_becomes_a_package() -> None:
    assert not (ROOT / "proto" / "__init__.py").exists(), "it would shadow Google's package proto"


@pytest.mark.parametrize(
    "source", sorted((ROOT / "proto" / "yuetone" / "v1").glob("*.proto")), ids=lambda p: p.name
)
def test_every_field_is_commented(source: Path) -> None:
    for number, line in enumerate(source.read_text("utf-8").splitlines(), 1):
        text = line.strip()
        if " = " in text and not text.startswith(("//", "syntax", "option")):
            assert "//" in text, f"{source.name}:{number} has no comment"


def test_times_are_int64_milliseconds() -> None:
    for module in PROTOS:
        for message in module.DESCRIPTOR.message_types_by_name.values():
            for field in message.fields:
                if field.name.endswith("_ms"):
                    assert field.type == field.TYPE_INT64, f"{message.name}.{field.name}"


def test_enums_begin_with_unspecified() -> None:
    for module in PROTOS:
        for enum in module.DESCRIPTOR.enum_types_by_name.values():
            assert enum.values_by_number[0].name.endswith("_UNSPECIFIED")


def test_the_default_install_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None\n"
        "import pipeline.rpc.server, pipeline.cli, asr.whisper, vad.gated\n"
        "from pathlib import Path; from asr.finding import find_recogniser\n"
        "from asr.whisper import WhisperEngine\n"
        "WhisperEngine(find_recogniser('tiny', Path('/nowhere')))"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=ROOT)


def test_what_make_installs_is_pinned_by_hash_to_what_was_tested() -> None:
    """``python -m scripts.lock`` was run behind the last change of versions."""
    pinned = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in ("run", "all", "sbom"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
        assert len(locked) > 20
        entries = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
        assert all("--hash=sha256:" in entry for entry in entries)
        assert {n: v for n, v in locked.items() if n in pinned and pinned[n] != v} == {}
        if name != "sbom":
            wanted = {re.split(r"[>=<~;\[ ]", spec)[0].lower() for spec in declared["dependencies"]}
            assert wanted <= set(locked), wanted - set(locked)


def test_what_make_installs_runs_on_the_oldest_python_of_its_minor_version() -> None:
    """Debian 12 has 3.11.2: a release that asks for a later patch ends ``make demo`` with a riddle."""
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "all.txt").read_text(), re.MULTILINE)
    found = {}
    for name in locked:
        try:
            asked = metadata.metadata(name)["Requires-Python"]
        except metadata.PackageNotFoundError:
            continue  # of another platform
        if asked and "3.11.0" not in SpecifierSet(asked):
            found[name] = asked
    assert len(locked) > 100
    assert found == {}
