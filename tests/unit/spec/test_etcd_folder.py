"""Where etcd may have its data."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from kanae.spec.rules.cluster import cluster_rules

from ...model.fixtures import example


def _wrong(folder: str) -> list[str]:
    spec = example("vip")
    etcd = spec.etcd.model_copy(update={"data_dir": PurePosixPath(folder)})
    found = cluster_rules(spec.model_copy(update={"etcd": etcd}))
    return [each.message for each in found if each.path == ("etcd", "dataDir")]


@pytest.mark.parametrize(
    "folder",
    [
        *("/var/lib", "/usr/bin", "/var/log", "/boot/efi", "/var/lib/docker/volumes", "/usr/local"),
        *("/var/lib/containerd", "/lib/modules", "/home/ann", "/var/opt", "/etc/etcd", "/run/etcd"),
    ],
)
def test_no_folder_of_the_system_or_of_other_programs(folder: str) -> None:
    assert _wrong(folder)


@pytest.mark.parametrize(
    "folder", ["/var/lib/etcd", "/data/etcd", "/srv/etcd", "/home/ann/etcd", "/var/lib/etcd/data"]
)
def test_a_folder_of_its_own(folder: str) -> None:
    assert not _wrong(folder)
