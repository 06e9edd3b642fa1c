"""Bundles: the same file for the same content, and every kind of damage is noticed."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
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


def rewrite_index(file: Path, change: Callable[[bytes], bytes]) -> None:
    """The same bundle with another index."""
    with tarfile.open(file) as old:
        members = [(info.name, old.extractfile(info).read()) for info in old]  # type: ignore[union-attr]
    with tarfile.open(file, "w") as tar:
        for name, data in members:
            told = change(data) if name == "kanae-bundle.json" else data
            info = tarfile.TarInfo(name)
            info.size = len(told)
            tar.addfile(info, io.BytesIO(told))


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"registry.k8s.io/pause:", b"registry.k8s.ip/pause:"), (b'"v1.37.2"\n', b'"v1.37.3"\n')],
)
def test_a_changed_byte_in_the_index_is_found(file: Path, old: bytes, new: bytes) -> None:
    rewrite_index(file, lambda data: data.replace(old, new, 1))
    with pytest.raises(ArtifactError, match="does not have its own sum"):
        bundle.inspect(file)


def test_a_format_of_the_future_is_told(file: Path) -> None:
    rewrite_index(file, lambda data: data.replace(b'"format": 2', b'"format": 3'))
    with pytest.raises(ArtifactError, match="has bundle format 3; this kanae reads 1 and 2"):
        bundle.inspect(file)


def as_format_1(data: bytes) -> bytes:
    told = json.loads(data)
    del told["sum"]
    told |= {"format": 1, "kubernetes": told["kubernetes"][0]}
    return json.dumps(told, sort_keys=True, indent=1).encode()


def test_a_bundle_of_format_1_is_read_and_what_caches_have_of_it_stays_good(
    artifacts: ArtifactSet, file: Path, tmp_path: Path
) -> None:
    rewrite_index(file, as_format_1)
    found, problems = bundle.verify(file, Silent())
    assert (found.kubernetes, problems) == (("v1.37.2",), ())
    brought = obtain(Store(tmp_path / "empty"), file)
    assert {a.id: a.digest for a in brought.values()} == {
        a.id: a.digest for a in artifacts.values()
    }
    told = f"bundle\n{found.digest}\nbinary/kubeadm/amd64"
    item = RELEASE.item(Kind.BINARY, "kubeadm", "amd64")
    assert BundleSupplier(file, ["v1.37.2"]).key(item) == hashlib.sha256(told.encode()).hexdigest()


OLD = catalogue.load().release("v1.36.3")


@pytest.fixture
def of_both(artifacts: ArtifactSet, store: Store, tmp_path: Path) -> Path:
    """A bundle of two releases: each has its kubeadm and coredns, both have one pause."""
    digest = store.add_bytes(b"old kubeadm")
    kubeadm = Artifact("kubeadm", "v1.36.3", "amd64", Kind.BINARY, digest, 11, store.path(digest))
    layer = oci.add_layer(store, [Member("coredns", data=b"old coredns")])
    image = oci.add_image(store, [layer], arch="amd64", entrypoint=["coredns"])
    coredns = Artifact(
        "coredns", OLD.components["coredns"], "amd64", Kind.IMAGE, image.digest, image.size,
        store.path(image.digest), OLD.image_references()["coredns"],
    )  # fmt: skip
    file = tmp_path / "both.tar"
    every = ArtifactSet((kubeadm, coredns, *artifacts.values()))
    bundle.create(file, ["v1.36.3", "v1.37.2"], every, Silent())
    return file


def test_a_bundle_of_two_releases_gives_each_its_own_and_both_at_once(
    of_both: Path, tmp_path: Path
) -> None:
    assert bundle.verify(of_both, Silent())[1] == ()
    assert len(bundle.inspect(of_both).entries) == 5
    for number, releases in enumerate(([OLD], [RELEASE], [OLD, RELEASE])):
        store = Store(tmp_path / f"empty-{number}")
        for get in (fetch.obtain, fetch.lookup):
            found = get(
                releases, ["amd64"], ArtifactSource.BUNDLE, store=store, bundle=of_both,
                names=NAMES,
            )  # fmt: skip
            assert list(found) == [i.id for i in fetch.select(releases, ["amd64"], NAMES)]
            versions = [a.version for a in found.values() if a.name == "kubeadm"]
            assert versions == [release.version for release in releases]
            kubeadm = found.binary("kubeadm", version="v1.36.3") if OLD in releases else None
            assert kubeadm is None or kubeadm.path.read_bytes() == b"old kubeadm"


def test_a_bundle_that_lacks_one_of_the_releases_is_refused(file: Path, store: Store) -> None:
    with pytest.raises(
        ArtifactError, match=r"is for Kubernetes v1\.37\.2, not v1\.36\.3"
    ) as raised:
        fetch.obtain(
            [OLD, RELEASE], ["amd64"], ArtifactSource.BUNDLE, store=store, bundle=file, names=NAMES
        )
    assert "--kubernetes v1.36.3 --kubernetes v1.37.2" in raised.value.remedy


def test_another_version_of_a_component_than_the_catalogues_is_not_taken_for_it(
    file: Path, tmp_path: Path
) -> None:
    rewrite_index(file, lambda data: as_format_1(data).replace(b"v1.14.6", b"v1.14.5"))
    with pytest.raises(ArtifactError, match=r"holds no image/coredns/v1\.14\.6/amd64"):
        obtain(Store(tmp_path / "empty"), file)


DIES = """
import os, signal, sys, tarfile
from pathlib import Path
from kanae.artifacts import bundle
from kanae.artifacts.model import Artifact, ArtifactSet, Kind
from kanae.artifacts.progress import Silent, SilentTask

class Dying(SilentTask):
    def advance(self, amount):
        os.kill(os.getpid(), signal.SIGKILL)

class Progress(Silent):
    def task(self, label, *, unit="bytes"):
        return Dying()

file, digest, path = sys.argv[1:]
kubeadm = Artifact("kubeadm", "v1.37.2", "amd64", Kind.BINARY, digest, 700, Path(path))
bundle.create(Path(file), ["v1.37.2"], ArtifactSet([kubeadm]), Progress())
"""


def test_a_bundle_whose_making_is_killed_leaves_the_old_one(
    artifacts: ArtifactSet, file: Path
) -> None:
    before = file.read_bytes()
    kubeadm = artifacts.binary("kubeadm")
    command = [sys.executable, "-c", DIES, str(file), kubeadm.digest, str(kubeadm.path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert file.read_bytes() == before


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
