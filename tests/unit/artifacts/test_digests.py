"""Digests from outside: sha256: and 64 hexadecimal digits, or refused; no file outside the store
is touched for their sake."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kanae.artifacts import bundle, catalogue, fetch, named, oci, registry
from kanae.artifacts.digests import is_digest
from kanae.artifacts.progress import Silent
from kanae.artifacts.store import Store
from kanae.artifacts.transfer import Http, Limits
from kanae.errors import ArtifactError
from kanae.spec.models import ArtifactSource, ImageArchive

if TYPE_CHECKING:
    from conftest import Site

RELEASE = catalogue.load().release("v1.37.2")
GOOD = "sha256:" + "0a" * 32
BAD: tuple[Any, ...] = (
    "../../victim",
    "sha256:../../victim",
    "sha256:" + "../" * 20 + "victim",
    "/etc/passwd",
    "",
    "sha256:",
    "0a" * 32,
    "sha256:" + "0A" * 32,
    "sha256:" + "0a" * 31,
    GOOD + "0",
    GOOD + "\n",
    "sha256:" + "٣" * 64,
    "sha512:" + "0a" * 64,
    None,
    7,
    ["sha256:"],
)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    file = tmp_path / "victim"
    file.write_text("somebody's")
    return file


@pytest.mark.parametrize("digest", BAD)
def test_what_is_no_digest_names_no_blob(digest: object, store: Store, victim: Path) -> None:
    assert is_digest(GOOD)
    assert not is_digest(digest)
    for act in (store.path, store.verified, store.discard, store.make_executable):
        with pytest.raises(ArtifactError, match="not sha256: and 64"):
            act(digest)  # type: ignore[arg-type]
    assert victim.exists()


def bundled(file: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A bundle of format 1, which has no sum, of one binary."""
    entry = {
        "kind": "binary", "name": "kubeadm", "version": "v1.37.2", "arch": "amd64",
        "source": "bundle", "digest": GOOD, "size": 1, "blobs": [GOOD], "reference": "",
    }  # fmt: skip
    told = {"format": 1, "kubernetes": "v1.37.2", "entries": [entry], "blobs": {GOOD: 1}}
    change(told)
    with tarfile.open(file, "w") as tar:
        for name, data in (("kanae-bundle.json", json.dumps(told).encode()), ("x/victim", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


@pytest.mark.parametrize("digest", BAD)
@pytest.mark.parametrize("place", ["digest", "blobs", "both", "sizes"])
def test_a_bundle_with_another_kind_of_digest_is_refused(
    digest: object, place: str, store: Store, victim: Path, tmp_path: Path
) -> None:
    def change(told: dict[str, Any]) -> None:
        entry = told["entries"][0]
        if place in ("digest", "both"):
            entry["digest"] = digest
        if place in ("blobs", "both"):
            entry["blobs"] = [digest]
        if place in ("sizes", "both"):
            told["blobs"] = {str(digest): 1}

    file = bundled(tmp_path / "bundle.tar", change)
    with pytest.raises(ArtifactError, match="cannot be read as a bundle"):
        fetch.obtain([RELEASE], ["amd64"], ArtifactSource.BUNDLE, store=store, bundle=file,
                     names=["kubeadm"])  # fmt: skip
    assert victim.read_text() == "somebody's"


WRONG: dict[str, Callable[[dict[str, Any]], None]] = {
    "no size": lambda told: told.update(blobs={}),
    "no sizes at all": lambda told: told.pop("blobs"),
    "sizes in a list": lambda told: told.update(blobs=[1]),
    "a size in words": lambda told: told.update(blobs={GOOD: "big"}),
    "no name": lambda told: told["entries"][0].pop("name"),
    "a kind of its own": lambda told: told["entries"][0].update(kind="x"),
    "a field of its own": lambda told: told["entries"][0].update(x="x"),
    "a list for a name": lambda told: told["entries"][0].update(name=[]),
    "an entry that is text": lambda told: told.update(entries=["x"]),
    "another format": lambda told: told.update(format=[]),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_malformed_index_of_a_bundle_is_told_in_words(what: str, tmp_path: Path) -> None:
    assert bundle.inspect(bundled(tmp_path / "sound.tar", lambda told: None)).sizes == {GOOD: 1}
    file = bundled(tmp_path / "bundle.tar", WRONG[what])
    with pytest.raises(ArtifactError):
        bundle.inspect(file)
    with pytest.raises(ArtifactError):
        bundle.verify(file, Silent())


@pytest.mark.parametrize("digest", BAD)
def test_a_mirror_with_another_kind_of_digest_is_refused(
    digest: object, site: Site, store: Store, victim: Path
) -> None:
    path = "/v2/coredns/coredns/manifests"
    layer = {"digest": digest, "size": 1}
    index = {"manifests": [{"digest": digest, "platform": {"os": "linux", "architecture": "a"}}]}
    site.files[f"{path}/index"] = json.dumps(index).encode()
    site.files[f"{path}/layer"] = json.dumps({"config": layer, "layers": []}).encode()
    http = Http({"registry.k8s.io": site.url}, Limits(idle=0.5, pause=0.01))
    try:
        for tag in ("index", "layer"):
            name = f"registry.k8s.io/coredns/coredns:{tag}"
            with pytest.raises(ArtifactError):
                registry.pull(http, name, "a", store, Silent())
    finally:
        http.close()
    assert victim.read_text() == "somebody's"


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"", b"[]", b"7", b"{}", b"[" * 100_000])
def test_a_captive_portal_is_told_in_words(body: bytes, site: Site, store: Store) -> None:
    site.files["/v2/coredns/coredns/manifests/v1"] = body
    http = Http({"registry.k8s.io": site.url}, Limits(idle=0.5, pause=0.01))
    try:
        with pytest.raises(ArtifactError) as caught:
            registry.pull(http, "registry.k8s.io/coredns/coredns:v1", "a", store, Silent())
    finally:
        http.close()
    assert "captive portal" in caught.value.remedy


@pytest.mark.parametrize("digest", BAD)
def test_a_line_of_the_index_with_another_kind_of_digest_counts_as_none(
    digest: object, store: Store, victim: Path
) -> None:
    line = {
        "kind": "binary", "name": "kubeadm", "version": "v1", "arch": "amd64", "source": "build",
        "digest": digest, "size": 1, "blobs": [digest],
    }  # fmt: skip
    (store.root / "index" / "k.json").write_text(json.dumps(line))
    assert store.get("k") is None
    assert store.entries() == {}
    store.prune()
    assert victim.exists()


def test_what_lies_in_the_store_under_another_name_is_bad(store: Store) -> None:
    (store.blobs / "stray").write_text("x")
    assert store.verify_all(Silent()) == (1, ["stray"])
    assert list(store.blobs.iterdir()) == []


def archive(file: Path, name: str, digest: object) -> ImageArchive:
    note = {named.CONTAINERD_NAME: name}
    index = json.dumps({"manifests": [{"digest": digest, "annotations": note}]}).encode()
    with tarfile.open(file, "w") as tar:
        info = tarfile.TarInfo(oci.INDEX_FILE)
        info.size = len(index)
        tar.addfile(info, io.BytesIO(index))
    return ImageArchive(source=file.name)


def test_an_archive_names_images_by_names_and_digests(tmp_path: Path, store: Store) -> None:
    told = [archive(tmp_path / "good.tar", "docker.io/library/app:1", GOOD)]
    (read,) = named.archives(told, tmp_path, store)
    assert read.references == {"docker.io/library/app:1": GOOD}
    for name in ("--all/x:1", "a/$(touch pwned):1", "a/b c:1", "a/b:1\nx", "a/\x1b[2J:1"):
        with pytest.raises(ArtifactError, match="no OCI or docker image archive"):
            named.archives([archive(tmp_path / "bad.tar", name, GOOD)], tmp_path, store)
    for digest in BAD:
        with pytest.raises(ArtifactError):
            named.archives([archive(tmp_path / "bad.tar", "a/b:1", digest)], tmp_path, store)
