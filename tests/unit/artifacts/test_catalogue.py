"""The catalogue: every release is complete, and its data is what the code expects."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from kanae.artifacts import catalogue
from kanae.artifacts.build.programs import go_directive
from kanae.artifacts.catalogue import Item, Release
from kanae.artifacts.model import Arch, Kind
from kanae.errors import ArtifactError

VERSIONS = catalogue.load().versions()
RELEASES = [catalogue.load().release(version) for version in VERSIONS]
BINARIES = [
    "kubeadm",
    "kubelet",
    "kubectl",
    "etcd",
    "etcdctl",
    "etcdutl",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
    "crictl",
    "bridge",
    "host-local",
    "portmap",
    "loopback",
    "firewall",
    "ptp",
    "tuning",
    "bandwidth",
    "flannel",
]
IMAGES = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "etcd",
    "coredns",
    "pause",
    "flannel",
    "weave-kube",
    "weave-npc",
]
ITEMS = [item for release in RELEASES for arch in Arch for item in release.items(arch)]


def test_two_minors_are_there_so_that_an_upgrade_can_be_tried() -> None:
    assert {"v1.37.2", "v1.36.3"} <= set(VERSIONS)
    assert VERSIONS[0] == "v1.37.2"


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)
def test_a_release_has_all_that_a_cluster_needs(release: Release) -> None:
    names = {(item.kind, item.name) for item in release.items("amd64")}
    assert {(Kind.BINARY, name) for name in BINARIES} <= names
    assert {(Kind.IMAGE, name) for name in IMAGES} <= names


def test_ids_are_unique_within_a_release() -> None:
    for release in RELEASES:
        ids = [item.id for item in release.items("amd64")]
        assert len(ids) == len(set(ids))


def test_an_id_names_one_item_in_all_releases() -> None:
    by_id: dict[str, Item] = {}
    for item in ITEMS:
        assert by_id.setdefault(item.id, item) == item
    kubelets = sorted(id_ for id_ in by_id if "/kubelet/" in id_)
    assert kubelets == [
        f"binary/kubelet/{v}/{a}" for v in VERSIONS[::-1] for a in ("amd64", "arm64")
    ]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_no_placeholder_is_left_and_every_item_can_be_had(item: Item) -> None:
    shown = repr(item)
    assert not re.search(r"\{[a-z]+\}", shown)
    assert item.kind is not Kind.BINARY or item.remote is not None
    assert item.kind is not Kind.IMAGE or item.reference
    assert item.optional or item.build is not None


def test_what_is_built_has_pins_in_the_package() -> None:
    builds = [item.build for item in ITEMS if item.build is not None and item.build.gomod]
    assert {build.gomod for build in builds} == {
        folder.name for folder in (files("kanae.artifacts") / "gomod").iterdir()
    }
    for build in builds:
        folder = files("kanae.artifacts") / "gomod" / build.gomod
        text = (folder / "go.mod").read_text()
        assert f" {build.version}\n" in text
        assert (folder / "go.sum").is_file()
        assert go_directive(build).startswith("1.")


def test_programs_of_images_and_binaries_are_built_by_their_component() -> None:
    for item in ITEMS:
        if item.build is not None:
            wanted = [item.name] if item.layout is None else list(item.layout.files)
            assert set(wanted) <= set(item.build.programs)


def test_names_and_urls_are_those_of_the_projects() -> None:
    release = catalogue.load().release("v1.37.2")
    kubeadm = release.item(Kind.BINARY, "kubeadm", "arm64")
    assert kubeadm.remote is not None
    assert kubeadm.remote.url == "https://dl.k8s.io/release/v1.37.2/bin/linux/arm64/kubeadm"
    assert kubeadm.remote.checksum == kubeadm.remote.url + ".sha256"
    etcd = release.item(Kind.BINARY, "etcd", "amd64")
    assert etcd.remote is not None
    assert etcd.remote.member == "etcd-v3.7.3-linux-amd64/etcd"
    assert release.image_references()["coredns"] == "registry.k8s.io/coredns/coredns:v1.14.6"
    assert release.image_references()["etcd"] == "registry.k8s.io/etcd:3.7.0-0"


def test_a_version_without_its_v_is_the_same_release() -> None:
    assert catalogue.load().release("1.36.3").version == "v1.36.3"


def test_an_unknown_version_is_an_error_that_names_the_nearest_known_ones() -> None:
    with pytest.raises(ArtifactError) as raised:
        catalogue.load().release("v1.36.9")
    assert "v1.36.9 is not in the catalogue" in raised.value.message
    assert raised.value.remedy.index("v1.36.3") < raised.value.remedy.index("v1.37.2")


def test_an_unknown_item_is_an_error() -> None:
    with pytest.raises(ArtifactError, match="no binary nginx"):
        RELEASES[0].item(Kind.BINARY, "nginx", "amd64")


def test_pins_differ_between_versions_and_architectures_and_agree_with_themselves() -> None:
    pins = {item.pins() for item in ITEMS}
    assert len(pins) == len({(i.id, i.version, repr(i.build)) for i in ITEMS})
    again = catalogue.load().release("v1.37.2").item(Kind.IMAGE, "pause", "amd64")
    assert again.pins() in pins
