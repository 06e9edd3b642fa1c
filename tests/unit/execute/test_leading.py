"""Kubeconfigs of a host that are led to another server, by the real script."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanae.execute.scripts import kubectl
from kanae.layout import paths as at
from kanae.plan.actions import LeadTo

from .shell_host import ShellHost

OLD, NEW = "https://10.0.0.10:6443", "https://10.0.0.9:6440"


def kubeconfig(server: str) -> str:
    return (
        f"clusters:\n- cluster:\n    server: {server}\n    server-name: api\n"
        "users:\n- name: admin\n  user: {client-key: key}\n"
    )


@pytest.fixture
def host(tmp_path: Path) -> ShellHost:
    host = ShellHost("m1", tmp_path / "m1")
    for path in (at.ADMIN_CONF, at.KUBELET_CONF):
        there = host.path(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(kubeconfig(OLD))
        there.chmod(0o640)
    # What kubelet would read at this moment.
    seen = host.folder / "seen"
    host.program("systemctl", f'echo "$*" >>{seen}; cat {host.path(at.KUBELET_CONF)} >>{seen}')
    return host


async def test_each_file_names_the_new_server_and_keeps_all_else(host: ShellHost) -> None:
    done = await host.run(kubectl.lead_to(LeadTo(NEW, (at.ADMIN_CONF, at.KUBELET_CONF), True)))
    assert done.status == 0, done.stderr
    for path in (at.ADMIN_CONF, at.KUBELET_CONF):
        assert host.path(path).read_text() == kubeconfig(NEW)
        assert host.path(path).stat().st_mode & 0o777 == 0o640
    assert {path.name for path in host.path(at.KUBERNETES).iterdir()} == {
        "admin.conf",
        "kubelet.conf",
    }


async def test_kubelet_is_away_while_its_file_changes(host: ShellHost) -> None:
    await host.run(kubectl.lead_to(LeadTo(NEW, (at.KUBELET_CONF,), True)))
    seen = (host.folder / "seen").read_text()
    assert seen == (
        f"stop kubelet.service\n{kubeconfig(OLD)}start kubelet.service\n{kubeconfig(NEW)}"
    )


async def test_without_kubelet_nothing_is_stopped(host: ShellHost) -> None:
    await host.run(kubectl.lead_to(LeadTo(NEW, (at.ADMIN_CONF,), False)))
    assert not (host.folder / "seen").exists()


async def test_another_cluster_in_the_same_file_is_left_alone(host: ShellHost) -> None:
    other = "- cluster:\n    server: https://other:6443\n  name: other\n"
    path = host.path(at.ADMIN_CONF)
    path.write_text(kubeconfig(OLD) + other)
    await host.run(kubectl.lead_to(LeadTo(NEW, (at.ADMIN_CONF,), False)))
    assert path.read_text() == kubeconfig(NEW) + other
