"""``yuetone models`` by its own command line."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile as sf

from asr.finding import TINY_PATH
from tests.audio import demo_turns, turn_16k
from tests.processes import run_program

YUETONE = str(Path(sys.executable).with_name("yuetone"))
pytestmark = pytest.mark.model


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    done = run_program("yuetone", "models", *arguments)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A folder of four sentences and what is said in them."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for index in range(4):
        sf.write(folder / f"{index}.wav", turn_16k(index), 16_000)
        (folder / f"{index}.txt").write_text(str(demo_turns()[index]["text"]), "utf-8")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the small model that declares nothing."""
    folder = tmp_path / "ours"
    shutil.copytree(TINY_PATH, folder)
    (folder / "yuetone.toml").write_text('name = "ours"\nlanguage = "yue"\n')
    return folder


def test_the_list_says_what_was_not_measured() -> None:
    out, _ = run("list")
    assert "auto means: bundled" in out
    assert "whisper-base" in out
    assert "(not" in out


def test_calibrate_measures_and_declares(model: Path, speech: Path, tmp_path: Path) -> None:
    plot = tmp_path / "context.png"
    out, err = run("calibrate", model, "--audio", speech, "--lengths", "10,0", "--plot", plot)
    assert "errors are counted against the transcripts" in out
    assert "least safe context: 0 s" in out
    assert "only 4 utterances" in err
    assert tomllib.loads((model / "yuetone.toml").read_text()) == {
        "name": "ours", "language": "yue", "min_context_s": 0.0,
    }  # fmt: skip
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_dry_run_writes_nothing_and_needs_no_transcripts(model: Path, speech: Path) -> None:
    for path in speech.glob("*.txt"):
        path.unlink()
    before = (model / "yuetone.toml").read_bytes()
    out, _ = run("calibrate", model, "--audio", speech, "--lengths", "0", "--dry-run")
    assert "against what it writes at 30 s" in out
    assert (model / "yuetone.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("calibrate", "tiny", "--audio", "/nowhere"), "no folder /nowhere"),
        (("calibrate", "/nowhere", "--audio", "/tmp"), "no model directory at /nowhere"),
        (("pull", "tiny"), "comes with the package"),
        (("pull", "nonsense"), "known are"),
        (("pull", "whisper-base", "--from", "/nowhere.tar"), "/nowhere.tar cannot be read"),
        (("pack", "whisper-large-v3"), "yuetone models pull whisper-large-v3"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YUETONE_ASR__MODELS_DIR", str(tmp_path))
    _, err = run(*arguments, code=2)
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_lengths_that_are_no_numbers_are_one_line(model: Path, speech: Path) -> None:
    for wrong in ("ten", "40", "10,,5"):
        _, err = run("calibrate", model, "--audio", speech, "--lengths", wrong, code=2)
        assert "--lengths" in err
        assert "Traceback" not in err


def test_a_packed_model_is_taken_from_a_file(
    whisper_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YUETONE_ASR__MODELS_DIR", str(whisper_base.parent))
    archive = tmp_path / "whisper-base.tar"
    run("pack", "whisper-base", "--out", archive)
    monkeypatch.setenv("YUETONE_ASR__MODELS_DIR", str(tmp_path / "other"))
    out, _ = run("pull", "whisper-base", "--from", archive)
    assert "licence  MIT" in out
    assert "(as pinned)" in out
    assert "no text, as it should be" in run("verify", "whisper-base")[0]
