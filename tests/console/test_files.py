"""What browsers get: small, without ways to make markup of text, and whole in both languages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from console.pages.static import Static
from console.texts import TEXTS, language_of
from tests.console.helpers import packed

CONSOLE = Path(__file__).parents[2] / "console"
SCRIPTS = sorted((CONSOLE / "static").glob("*.js"))
MOST_BYTES = 60_000
_MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc")
_INLINE = re.compile(r"\sstyle=|<style|\son[a-z]+=|<script(?! type=\"module\" src=)|\| ?safe|autoescape")
_USED = re.compile(r'\bt\("([a-z]+\.[a-z0-9_-]+)"\s*[,)]')
_BUILT = re.compile(r"\bt\((?:`|\")([a-z]+)\.(?:\$\{|\" ~)")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_of_text(script: Path) -> None:
    text = script.read_text("utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", text
    )


def test_the_types_of_the_scripts_hold(tmp_path: Path) -> None:
    deno = shutil.which("deno", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert deno, "deno comes with the dev extra"
    command = [deno, "check", "--config", str(CONSOLE / "deno.json"), *map(str, SCRIPTS)]
    done = subprocess.run(
        command, env={"DENO_DIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_everything_of_a_screen_is_small() -> None:
    files = Static().files
    for screen in ("desk.js", "wall.js"):
        others = {"desk.js", "wall.js", "record.js", "knowledge.js", "tried.js"} - {screen}
        first = [data for name, data in files.items() if name not in others and "texts." not in name]
        total = sum(map(packed, first)) + packed(files["texts.zh-Hant.json"])
        assert total <= MOST_BYTES
        assert len(first) + 2 <= 25


def test_both_languages_have_the_same_texts() -> None:
    assert set(TEXTS["zh-Hant"]) == set(TEXTS["en"])
    assert all(text.strip() for texts in TEXTS.values() for text in texts.values())
    for key, text in TEXTS["en"].items():
        assert ("{n}" in text) == ("{n}" in TEXTS["zh-Hant"][key]), key


def test_every_text_that_is_used_is_there() -> None:
    sources = [*SCRIPTS, *(CONSOLE / "templates").glob("*.html")]
    used = {key for path in sources for key in _USED.findall(path.read_text("utf-8"))}
    assert len(used) > 60
    assert used <= set(TEXTS["en"])
    tables = {table for path in sources for table in _BUILT.findall(path.read_text("utf-8"))}
    assert tables <= {key.partition(".")[0] for key in TEXTS["en"]}


def test_no_style_and_no_script_stands_in_a_page() -> None:
    for path in (CONSOLE / "templates").glob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(
            r"\sstyle=|<style|\son[a-z]+=|<script(?! type=\"module\" src=)|\| ?safe|autoescape", text
        ), path.name


@pytest.mark.parametrize(
    ("cookie", "accepted", "wanted"),
    [
        (None, "", "zh-Hant"),
        (None, "en-GB,en;q=0.9", "en"),
        (None, "zh-HK", "zh-Hant"),
        ("en", "zh-HK", "en"),
        ("klingon", "en", "en"),
    ],
)
def test_a_persons_language(cookie: str | None, accepted: str, wanted: str) -> None:
    assert language_of(cookie, accepted) == wanted
