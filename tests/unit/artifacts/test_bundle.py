"""Bundles: the same file for the same content, and every kind of damage is noticed."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from kanae.artifacts import bundle, catalogue, fetch, oci
from kanae.artifacts.bundle import BundleSupplier
from kanae.artifacts.model import Artifact, ArtifactSet, Kind
from kanae.artifacts.oci import Member
from kanae.artifacts.progress import Silent
from kanae.artifacts.store import Store
from kanae.errors import ArtifactError, ArtifactMismatch, UsageError
from kanae.spec.models import ArtifactSource

RELEASE = catalogue.load().release("v1.37.2")


@pytest.fixture
def artifacts(store: Store) -> ArtifactSet:
    """A binary and two images that share a layer."""
    digest = store.add_bytes(b"kubeadm" * 100)
    made = [Artifact("kubeadm", "v1.37.2", "amd64", Kind.BINARY, digest, 700, store.path(digest))]
    base = oci.add_layer(store, [Member("base", data=b"base")])
    for name in ("pause", "coredns"):
        layers = [base, oci.add_layer(store, [Member(name, data=name.encode())])]
        image = oci.add_image(store, layers, arch="amd64", entrypoint=[name])
        made.append(
            Artifact(name, RELEASE.components[name], "amd64", Kind.IMAGE, image.digest, image.size,
                     store.path(image.digest), RELEASE.image_references()[name])
        )  # fmt: skip
    return ArtifactSet(made)


@pytest.fixture
def file(artifacts: ArtifactSet, tmp_path: Path) -> Path:
    target = tmp_path / "bundle.tar"
    bundle.create(target, ["v1.37.2"], artifacts, Silent())
    return target


NAMES = ("kubeadm", "pause", "coredns")


def obtain(store: Store, file: Path | None, names: tuple[str, ...] = NAMES) -> ArtifactSet:
    return fetch.obtain(
        [RELEASE], ["amd64"], ArtifactSource.BUNDLE, store=store, bundle=file, names=names
    )


def test_a_bundle_satisfies_an_empty_store(
    artifacts: ArtifactSet, file: Path, tmp_path: Path
) -> None:
    found = obtain(Store(tmp_path / "empty"), file)
    assert {a.id: (a.digest, a.size, a.reference) for a in found.values()} == {
        a.id: (a.digest, a.size, a.reference) for a in artifacts.values()
    }
    assert found.binary("kubeadm").path.stat().st_mode & 0o111


def test_what_a_bundle_brought_is_found_without_unpacking_again(file: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "empty")
    obtain(store, file)
    cached = fetch.lookup(
        [RELEASE], ["amd64"], ArtifactSource.BUNDLE, store=store, bundle=file, names=NAMES
    )
    assert len(cached) == 3


def test_the_same_content_gives_the_same_file(
    artifacts: ArtifactSet, file: Path, tmp_path: Path
) -> None:
    bundle.create(tmp_path / "again.tar", ["v1.37.2"], artifacts, Silent())
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()


def test_a_sound_bundle_verifies_and_holds_each_blob_once(file: Path) -> None:
    found, problems = bundle.verify(file, Silent())
    assert problems == ()
    with tarfile.open(file) as tar:
        names = tar.getnames()
    assert names[0] == "kanae-bundle.json"
    assert len(names) == len(set(names)) == 1 + len(found.sizes)


def test_a_changed_byte_is_found(file: Path, tmp_path: Path) -> None:
    data = bytearray(file.read_bytes())
    at = data.index(b"kubeadm" * 100)
    data[at] ^= 1
    file.write_bytes(data)
    assert len(bundle.verify(file, Silent())[1]) == 2
    with pytest.raises(ArtifactMismatch):
        obtain(Store(tmp_path / "empty"), file)


@pytest.mark.parametrize("keep", [0.3, 0.6])
def test_a_bundle_cut_short_is_found(file: Path, tmp_path: Path, keep: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * keep)])
    assert bundle.verify(file, Silent())[1]
    with pytest.raises(ArtifactError, match="cut short") as caught:
        obtain(Store(tmp_path / "empty"), file)
    assert caught.value.remedy


def test_a_file_that_is_no_bundle_is_an_error(tmp_path: Path) -> None:
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        tar.addfile(tarfile.TarInfo("x"))
    with pytest.raises(ArtifactError, match="not a bundle"):
        bundle.inspect(other)
    other.write_bytes(b"no tar at all")
    with pytest.raises(ArtifactError, match="cannot be read"):
        bundle.inspect(other)
    with pytest.raises(ArtifactError, match="there is no bundle"):
        bundle.inspect(tmp_path / "none.tar")


def test_a_bundle_of_another_release_is_refused(file: Path) -> None:
    with pytest.raises(ArtifactError, match=r"is for Kubernetes v1\.37\.2, not v1\.36\.3"):
        BundleSupplier(file, ["v1.36.3"])


def test_what_a_bundle_lacks_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"holds no binary/kubelet/v1\.37\.2/amd64"):
        obtain(Store(tmp_path / "empty"), file, ("kubelet", "kubeadm"))


def test_source_bundle_without_a_file_is_a_usage_error(store: Store) -> None:
    with pytest.raises(UsageError, match="needs a file"):
        obtain(store, None)


def test_a_bundle_that_cannot_be_completed_does_not_appear(
    artifacts: ArtifactSet, tmp_path: Path
) -> None:
    artifacts.binary("kubeadm").path.unlink()
    with pytest.raises(FileNotFoundError):
        bundle.create(tmp_path / "bundle.tar", ["v1.37.2"], artifacts, Silent())
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("bundle.tar")]
