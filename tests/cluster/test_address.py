"""Where a node listens for the gateways of other machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load_settings
from pipeline.errors import SettingsError
from pipeline.rpc.cluster import _address, _check
from pipeline.rpc.node import inside_of


def test_an_address_that_others_reach_needs_tls() -> None:
    settings = load_settings(None, {"cluster": {"address": "10.0.0.1:50060"}})
    with pytest.raises(SettingsError, match=r"cluster\.address: other machines reach it"):
        inside_of(settings)


@pytest.mark.parametrize(
    ("address", "more"),
    [
        ("127.0.0.1:50060", {}),
        ("10.0.0.1:50060", {"access": {"insecure": True}}),
    ],
)
def test_an_address_is_taken(address: str, more: dict[str, dict[str, object]]) -> None:
    inside = inside_of(load_settings(None, {"cluster": {"address": address}, **more}))
    assert f"{inside.server.host}:{inside.server.port}" == address


def test_a_node_may_listen_elsewhere_than_others_call_it() -> None:
    cluster = {"address": "node-0.nodes.calls.svc:50060", "listen_host": "0.0.0.0"}  # noqa: S104 (a container's)
    with pytest.raises(SettingsError, match=r"cluster\.address: other machines reach it"):
        inside_of(load_settings(None, {"cluster": cluster}))
    inside = inside_of(load_settings(None, {"cluster": cluster, "access": {"insecure": True}}))
    assert (inside.server.host, inside.server.port) == ("0.0.0.0", 50060)  # noqa: S104


def test_nodes_of_one_machine_take_the_ports_that_follow() -> None:
    assert [_address("10.0.0.1:50070", number) for number in range(3)] == [
        "10.0.0.1:50070",
        "10.0.0.1:50071",
        "10.0.0.1:50072",
    ]
    assert _address("unix:/run/a", 0) == "unix:/run/a"
    assert _address("unix:/run/a", 1) is None
    assert _address(None, 0) is None
    far = {"cluster": {"address": "10.0.0.1:65535"}}
    assert load_settings(None, {**far, "server": {"nodes": 1}}).cluster.address == "10.0.0.1:65535"
    with pytest.raises(SettingsError, match=r"cluster\.address: the last node would have port 65536"):
        load_settings(None, {**far, "server": {"nodes": 2}})


def test_machines_that_share_nothing_are_no_cluster() -> None:
    far: dict[str, Any] = {"address": "10.0.0.1:50070", "url": "postgresql://db/a", "secret": "x" * 16}
    _check(load_settings(None, {"cluster": far}))
    _check(load_settings(None, {"cluster": {"address": "127.0.0.1:50070"}}))
    _check(load_settings(None, {"cluster": {"address": "unix:/run/a"}}))
    for name in ("url", "secret"):
        without = {key: value for key, value in far.items() if key != name}
        with pytest.raises(SettingsError, match=rf"cluster\.{name}: machines that call each other share it"):
            _check(load_settings(None, {"cluster": without}))


def test_nodes_of_several_machines_keep_a_record_where_all_reach_it() -> None:
    record = {"enabled": True, "key_file": "/nowhere", "classes": {"service": {"keep_days": 30}}}
    for more in ({}, {"server": {"nodes": 2}}, {"cluster": {"url": "/run/cluster.db"}}):
        assert load_settings(None, {"record": record, **more}).record.enabled
    far: dict[str, Any] = {"cluster": {"url": "postgresql://db/a"}}
    with pytest.raises(SettingsError, match=r"record\.store: nodes that share a database"):
        load_settings(None, {"record": record, **far})
    record["store"] = "postgresql://db/record"
    with pytest.raises(SettingsError, match=r"record\.keys: nodes that share a database"):
        load_settings(None, {"record": record, **far})
    record["keys"] = "postgresql://other/keys"
    assert load_settings(None, {"record": record, **far}).record.enabled


def test_with_tls_others_may_reach_it(tmp_path: Path) -> None:
    files = {"tls_certificate": tmp_path / "a.pem", "tls_key": tmp_path / "a.key"}
    for file in files.values():
        file.touch()
    inside = inside_of(load_settings(None, {"cluster": {"address": "10.0.0.1:50060"}, "server": files}))
    assert (inside.server.host, inside.server.port) == ("10.0.0.1", 50060)


@pytest.mark.parametrize("address", ["10.0.0.1", "host:", ":no"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="write host:port or unix:path"):
        inside_of(load_settings(None, {"cluster": {"address": address}}))
