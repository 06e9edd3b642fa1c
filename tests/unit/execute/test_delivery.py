"""What hosts are sent: artifacts of two releases in one delivery, and no damaged archive."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kanae.artifacts import oci
from kanae.artifacts.archives import Archives
from kanae.artifacts.model import Artifact, ArtifactSet, Kind
from kanae.artifacts.store import Store
from kanae.execute.actions.hosts import Delivery
from kanae.execute.context import StepContext
from kanae.execute.values import Values
from kanae.plan.actions import DeliverBinaries, LoadImages
from kanae.plan.model import Action, Step
from kanae.resources.artifact import Binary, Image
from kanae.transport.protocol import Completed, Transport, Upload

VERSIONS = ("v1.36.3", "v1.37.2")


@dataclass
class Host:
    """Keeps what it is sent. scripts: what it was told to run."""

    host: str = "m1"
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    scripts: list[str] = field(default_factory=list[str])

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.scripts.append(script)
        return Completed(0, b"", "")

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        for each in uploads:
            source = each.source
            self.files[each.path] = source if isinstance(source, bytes) else source.read_bytes()

    async def close(self) -> None: ...

    def __getitem__(self, name: str, /) -> Transport:
        return self

    async def recover(self, host: str, *, grace: float) -> None: ...

    def context(self, action: Action) -> StepContext:
        step = Step("m1/artifacts/x", "m1", "artifacts", "x", action)
        deadline = asyncio.get_running_loop().time() + 30
        return StepContext(step, self, Values(), deadline)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def images(store: Store) -> ArtifactSet:
    """kube-proxy of both releases."""
    made: list[Artifact] = []
    for version in VERSIONS:
        layer = oci.add_layer(store, [oci.Member("kube-proxy", data=version.encode())])
        image = oci.add_image(store, [layer], arch="amd64", entrypoint=["/kube-proxy"])
        made.append(
            Artifact(
                "kube-proxy", version, "amd64", Kind.IMAGE, image.digest, image.size,
                store.path(image.digest), f"registry.k8s.io/kube-proxy:{version}",
            )
        )  # fmt: skip
    return ArtifactSet(made)


def loading(images: ArtifactSet) -> LoadImages:
    return LoadImages(tuple(Image(a.reference, a.id, a.digest, a.size) for a in images.values()))


def named(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        index = json.loads(tar.extractfile("index.json").read())  # type: ignore[union-attr]
    return [m["annotations"]["io.containerd.image.name"] for m in index["manifests"]]


async def test_binaries_of_two_releases_go_in_one_delivery(store: Store, tmp_path: Path) -> None:
    made: list[Artifact] = []
    for version in VERSIONS:
        digest = store.add_bytes(version.encode())
        path = store.path(digest)
        made.append(Artifact("kubeadm", version, "amd64", Kind.BINARY, digest, 7, path))
    wanted = [
        Binary(f"/opt/{each.version}/kubeadm", each.id, each.version, each.digest, each.size)
        for each in made
    ]
    host = Host()
    delivery = Delivery(ArtifactSet(made), Archives(tmp_path / "archives"))
    await delivery.binaries(host.context(DeliverBinaries(tuple(wanted))))
    assert host.files == {f"/opt/{v}/kubeadm": v.encode() for v in VERSIONS}


async def test_images_of_two_releases_go_in_one_archive(
    images: ArtifactSet, tmp_path: Path
) -> None:
    host = Host()
    delivery = Delivery(images, Archives(tmp_path / "archives"))
    await delivery.images(host.context(loading(images)))
    (archive,) = host.files.values()
    assert named(archive) == [f"registry.k8s.io/kube-proxy:{version}" for version in VERSIONS]


async def test_a_damaged_archive_is_not_sent(images: ArtifactSet, tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    first, second = Host(), Host()
    await Delivery(images, Archives(archives)).images(first.context(loading(images)))
    (archive,) = archives.glob("*.tar")
    data = archive.read_bytes()
    archive.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    await Delivery(images, Archives(archives)).images(second.context(loading(images)))
    assert second.files == first.files
    assert archive.read_bytes() == data


async def test_hosts_that_want_the_same_at_once_are_sent_one_archive(
    images: ArtifactSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[Path] = []
    real = oci.write_archive

    def write(wanted: Sequence[Artifact], destination: Path) -> str:
        writes.append(destination)
        return real(wanted, destination)

    monkeypatch.setattr(oci, "write_archive", write)
    delivery = Delivery(images, Archives(tmp_path / "archives"))
    hosts = [Host(f"m{number}") for number in range(8)]
    await asyncio.gather(*(delivery.images(host.context(loading(images))) for host in hosts))
    assert len(writes) == 1
    assert all(host.files == hosts[0].files for host in hosts)
