"""Rules that are saved at one node are in force at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from client import admin_stub
from pipeline.alerts.rule_files import version_of
from pipeline.cluster import shared_rules
from pipeline.cluster.shared_rules import publish, published
from pipeline.cluster.store import ClusterStore
from tests.cluster.helpers import node_settings
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import Running, running
from yuetone.v1 import admin_service_pb2 as pb

pytestmark = pytest.mark.integration
OLD = '[[rule]]\nname = "old"\nwhen = "words"\nphrases = ["太離譜"]\n'
NEW = '[[rule]]\nname = "new"\nwhen = "words"\nphrases = ["好嬲"]\n'


def names(run: Running) -> list[str]:
    return [rule.name for rule in run.server.app.services.rules.value["default"].rules]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_is_saved_at_one_node_is_in_force_at_the_other(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_rules, "LOOK_S", 0.1)
    url = str(tmp_path / "c.db") if kind == "sqlite" else str(request.getfixturevalue("postgresql"))
    files = {name: tmp_path / f"{name}.toml" for name in ("one", "two")}
    for file in files.values():
        file.write_text(OLD, "utf-8")
        os.utime(file, (1, 1))
    chosen = {
        name: node_settings(
            url, name, profiles={"default": {"alert_rules": str(file)}}, alerts={"enabled": True}
        )
        for name, file in files.items()
    }
    async with (
        running(chosen["one"], FakeEngine()) as one,
        running(chosen["two"], FakeEngine()) as two,
    ):
        await asyncio.sleep(0.3)
        asked = pb.SaveAlertRulesRequest(profile="default", text=NEW, version=version_of(OLD))
        await admin_stub(one.channel).SaveAlertRules(asked)
        assert names(one) == ["new"]
        await until(lambda: names(two) == ["new"])
        assert files["two"].read_text("utf-8") == NEW
        store = ClusterStore(url, "three")
        files["two"].write_text(OLD, "utf-8")
        os.utime(files["two"], (2_000_000_000, 2_000_000_000))
        publish(store, "default", NEW.replace("new", "newest"))
        await until(lambda: names(one) == ["newest"])
        await until(lambda: names(two) == ["old"])
        assert files["two"].read_text("utf-8") == OLD, "somebody has changed it since: it stays"
        assert published(store)["default"][0].count("newest") == 1
        store.close()
