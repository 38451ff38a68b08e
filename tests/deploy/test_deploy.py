"""What is deployed names settings, figures, commands and files that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from console.settings import read_settings
from pipeline.cli import app
from pipeline.config import Settings, load_settings
from pipeline.metrics import Metrics
from pipeline.rpc.gateway_metrics import GatewayMetrics

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
OTHERS = {"YUETONE_VERSION", "YUETONE_DATABASE_PASSWORD", "YUETONE_GRAFANA_PASSWORD", "YUETONE_TLS_NAME"}
"""Variables that the compose file reads itself."""
NOT_OURS = re.compile(r"up|process_\w+")


def files(*endings: str) -> list[Path]:
    return [path for path in sorted(DEPLOY.rglob("*")) if path.suffix in endings and path.is_file()]


def test_variables_are_settings() -> None:
    wrong = set()
    for path in files(".yaml", ".yml", ".md", ".service", ".tpl"):
        for name in re.findall(r"\bYUETONE_[A-Z0-9_]+\b", path.read_text("utf-8")):
            section, _, key = name.removeprefix("YUETONE_").lower().partition("__")
            field = Settings.model_fields.get(section)
            kind: Any = field.annotation if field else None
            if name not in OTHERS and key not in getattr(kind, "model_fields", {}):
                wrong.add(f"{path.name}: {name}")
    assert not wrong


def exported() -> set[str]:
    metrics = Metrics()
    metrics.follow_live(list)
    gateways = GatewayMetrics()
    families = (*metrics.registry.collect(), *gateways.registry.collect())
    names = {family.name for family in families}
    return names | {f"{name}_{end}" for name in names for end in ("total", "bucket", "sum", "count")}


def expressions() -> list[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus/yuetone.rules.yml").read_text("utf-8"))
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((DEPLOY / "grafana/yuetone.json").read_text("utf-8"))
    found += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    scaled = (DEPLOY / "helm/yuetone/templates/autoscaling.yaml").read_text("utf-8")
    return [*found, *re.findall(r"query: (.*)", scaled)]


def test_figures_are_exported() -> None:
    known = exported()
    used = {name for text in expressions() for name in re.findall(r"\b(yuetone_\w+|process_\w+|up)\b", text)}
    assert len(used) > 15
    assert {name for name in used if not NOT_OURS.fullmatch(name)} <= known


def commands() -> list[list[str]]:
    found = []
    for path in files(".service"):
        found += re.findall(r"/bin/yuetone ([a-z ]+)", path.read_text("utf-8"))
    compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text("utf-8"))
    found += [" ".join(one["command"]) for one in compose["services"].values() if "yuetone" in one["image"]]
    for path in files(".yaml"):
        found += [
            text.replace(",", "") for text in re.findall(r"args: \[([a-z, ]+)", path.read_text("utf-8"))
        ]
    return [text.split() for text in found]


def test_commands_are_there() -> None:
    group: Any = typer.main.get_command(app)
    assert len(commands()) >= 8
    for words in commands():
        inner = group.get_command(None, words[0])
        assert inner is not None, words
        if getattr(inner, "commands", None) and len(words) > 1 and words[1].isalpha():
            assert words[1] in inner.commands, words


def test_the_settings_of_compose_are_read(tmp_path: Path) -> None:
    for name in ("server.pem", "server.key", "ca.pem"):
        (tmp_path / name).touch()
    for name in ("yuetone.toml", "console.toml"):
        text = (DEPLOY / "compose" / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/etc/yuetone/tls", str(tmp_path)), "utf-8")
    assert load_settings(tmp_path / "yuetone.toml").server.nodes == 4
    assert read_settings(tmp_path / "console.toml").secure


def test_the_image_is_made_of_what_there_is() -> None:
    shown = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    for line in shown:
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line
    wheel = re.search(r"packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.DOTALL)
    assert wheel is not None
    for package in re.findall(r'"([^"]+)"', wheel[1]):
        assert any(package == line[1:] or package.startswith(f"{line[1:]}/") for line in shown), package
    locked = (ROOT / "requirements/server.txt").read_text("utf-8")
    assert "psycopg==" in locked
    assert not re.search(r"^(torch|nvidia-|ray)", locked, re.MULTILINE)


def test_the_chart_carries_the_rules_and_the_dashboard() -> None:
    chart = DEPLOY / "helm/yuetone/files"
    assert (chart / "yuetone.rules.yml").resolve() == DEPLOY / "prometheus/yuetone.rules.yml"
    assert (chart / "yuetone.json").resolve() == DEPLOY / "grafana/yuetone.json"


def test_a_trial_has_certificates(tmp_path: Path) -> None:
    script = tmp_path / "certificates.sh"
    script.write_text((DEPLOY / "compose/certificates.sh").read_text("utf-8"), "utf-8")
    if not shutil.which("openssl"):
        pytest.skip("no openssl")
    subprocess.run(["bash", str(script), "desk.example"], check=True, capture_output=True)  # noqa: S607
    shown = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "tls/server.pem", "-noout", "-ext", "subjectAltName"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "DNS:desk.example" in shown
