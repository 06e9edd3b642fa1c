"""`kanae artifacts` and `kanae bundle` on the command line, with a cache of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kanae.artifacts import bundle as bundles
from kanae.artifacts import catalogue, oci
from kanae.artifacts.archives import Archives
from kanae.artifacts.build.supplier import BuildSupplier
from kanae.artifacts.entry import Entry
from kanae.artifacts.model import Artifact, ArtifactSet, Kind
from kanae.artifacts.progress import Silent
from kanae.artifacts.store import Store
from kanae.artifacts.supplier import entry_for
from kanae.cli import artifacts, bundle
from kanae.errors import ArtifactMismatch, UsageError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(artifacts.command, arguments, catch_exceptions=True)


def test_list_tells_every_item_and_that_nothing_is_cached() -> None:
    told = json.loads(run("list", "--source", "build", "-o", "json").stdout)
    kubeadm = next(item for item in told if item["name"] == "kubeadm")
    assert kubeadm["version"] == "v1.37.2"
    assert kubeadm["buildable"] is True
    assert kubeadm["cached"] is None
    assert any(item["name"] == "weave-kube" and item["optional"] for item in told)


def test_list_as_text_has_a_header_and_aligned_columns() -> None:
    lines = run("list", "--source", "build").stdout.splitlines()
    assert lines[0].split() == ["KIND", "NAME", "VERSION", "ARCH", "CACHED", "REFERENCE"]
    column = lines[0].index("VERSION")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)


def test_list_as_yaml_says_the_same() -> None:
    assert "name: kubeadm" in run("list", "--source", "build", "-o", "yaml").stdout


def test_an_unknown_version_is_an_error_with_the_known_ones() -> None:
    assert "nearest known versions" in str(run("list", "--kubernetes", "v1.2.3").exception)


@pytest.mark.parametrize("word", ["dl.k8s.io", "=http://x", "dl.k8s.io=mirror"])
def test_a_mirror_of_another_shape_is_a_usage_error(word: str) -> None:
    with pytest.raises(UsageError, match="is not HOST=URL"):
        artifacts.mirror_urls([word])


def test_mirrors_are_read_as_host_and_url() -> None:
    assert artifacts.mirror_urls(["a=http://b/c=d"]) == {"a": "http://b/c=d"}


def test_prune_keeps_what_the_named_release_needs() -> None:
    store = Store()
    for name, version in (("kubeadm", "v1.37.2"), ("kubeadm", "v1.30.0")):
        digest = store.add_bytes(version.encode())
        entry = Entry("binary", name, version, "amd64", "build", digest, 7, (digest,))
        store.put(version, entry)
    told = json.loads(run("prune", "--kubernetes", "v1.37.2", "-o", "json").stdout)
    assert (told["removed"], told["bytes"]) == (1, 7)
    assert list(Store().entries()) == ["v1.37.2"]
    assert json.loads(run("prune", "-o", "json").stdout)["removed"] == 1


def archived(store: Store, name: str, version: str) -> Path:
    """An image in the store as if it had been built, and its archive for hosts."""
    layer = oci.add_layer(store, [oci.Member(name, data=version.encode())])
    made = oci.add_image(store, [layer], arch="amd64", entrypoint=[name])
    reference = f"registry.example/{name}:{version}"
    entry = Entry("image", name, version, "amd64", "build", made.digest, made.size, made.blobs,
                  reference)  # fmt: skip
    store.put(version, entry)
    image = store.get(version)
    assert image is not None
    return Archives().of([image])


def test_prune_keeps_what_any_named_release_needs_and_its_archives() -> None:
    archives = {v: archived(Store(), "kube-proxy", v) for v in ("v1.35.4", "v1.36.3", "v1.37.2")}
    told = json.loads(
        run("prune", "--kubernetes", "v1.36.3", "--kubernetes", "v1.37.2", "-o", "json").stdout
    )
    assert (told["removed"], told["archives"]) == (3, 1)
    assert [v for v, archive in archives.items() if archive.exists()] == ["v1.36.3", "v1.37.2"]
    assert list(Store().entries()) == ["v1.36.3", "v1.37.2"]
    assert json.loads(run("prune", "-o", "json").stdout)["archives"] == 2


def test_a_damaged_archive_is_told_removed_and_is_an_error() -> None:
    archive = archived(Store(), "pause", "3.10.2")
    data = archive.read_bytes()
    archive.write_bytes(data[:-1] + b"x")
    result = run("verify", "-o", "json")
    assert json.loads(result.stdout)["archives"] == {
        "checked": 1,
        "removed": [archive.name],
        "folder": str(archive.parent),
    }
    assert isinstance(result.exception, ArtifactMismatch)
    assert not archive.exists()
    assert f"removed: {archive.name}" not in run("verify").stdout


def test_list_of_two_releases_has_what_they_share_once() -> None:
    options = ("--source", "build", "--kubernetes", "v1.36.3", "--kubernetes", "1.37.2")
    told = json.loads(run("list", *options, "-o", "json").stdout)
    assert [i["version"] for i in told if i["name"] == "kubeadm"] == ["v1.36.3", "v1.37.2"]
    assert [i["version"] for i in told if i["name"] == "runc"] == ["v1.5.2"]


def test_a_bundle_of_two_releases_is_made_from_the_cache_and_says_so(tmp_path: Path) -> None:
    store = Store()
    for version in ("v1.36.3", "v1.37.2"):
        item = catalogue.load().release(version).item(Kind.BINARY, "kubeadm", "amd64")
        digest = store.add_bytes(version.encode())
        store.put(
            BuildSupplier().key(item), entry_for(item, "build", version, digest, 7, (digest,))
        )
    file = str(tmp_path / "b.tar")
    options = ("--name", "kubeadm", "--kubernetes", "v1.37.2", "--kubernetes", "v1.36.3")
    command = ["create", file, *options, "--source", "build", "-o", "json"]
    told = json.loads(CliRunner().invoke(bundle.command, command).stdout)
    assert told["kubernetes"] == ["v1.36.3", "v1.37.2"]
    assert [entry["version"] for entry in told["entries"]] == ["v1.36.3", "v1.37.2"]
    said = CliRunner().invoke(bundle.command, ["inspect", file]).stdout
    assert "Kubernetes v1.36.3 and v1.37.2, 2 artifacts" in said


def test_verify_of_a_sound_cache_is_well() -> None:
    Store().add_bytes(b"sound")
    result = run("verify", "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["checked"] == 1


def test_a_damaged_bundle_is_told_and_is_an_error(tmp_path: Path) -> None:
    store = Store()
    digest = store.add_bytes(b"kubeadm" * 100)
    binary = Artifact("kubeadm", "v1", "amd64", Kind.BINARY, digest, 700, store.path(digest))
    file = tmp_path / "b.tar"
    bundles.create(file, ["v1.37.2"], ArtifactSet([binary]), Silent())
    inspected = CliRunner().invoke(bundle.command, ["inspect", str(file), "-o", "json"])
    assert json.loads(inspected.stdout)["entries"][0]["digest"] == digest
    assert "kubeadm" in CliRunner().invoke(bundle.command, ["inspect", str(file)]).stdout
    file.write_bytes(file.read_bytes().replace(b"kubeadmkubeadm", b"kubeadmKubeadm", 1))
    result = CliRunner().invoke(bundle.command, ["verify", str(file), "-o", "json"])
    assert len(json.loads(result.stdout)["problems"]) == 2
    assert isinstance(result.exception, ArtifactMismatch)


@pytest.mark.parametrize("verb", ["list", "fetch", "verify", "prune"])
def test_every_verb_shows_examples(verb: str) -> None:
    assert f"kanae artifacts {verb}" in run(verb, "--help").stdout
