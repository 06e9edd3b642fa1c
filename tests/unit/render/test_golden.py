"""Every file of every example, as it is written. `KANAE_GOLDEN=write pytest ...` writes them anew;
then read the difference before it is committed."""

from __future__ import annotations

import json
from typing import Final

import pytest

from kanae.facts.model import HostBase
from kanae.layout import paths, units
from kanae.plan.backup import OBJECTS, files
from kanae.render import (
    api_server,
    backup,
    containerd,
    coredns,
    etcd,
    etcd_failover,
    flannel,
    handover,
    haproxy,
    keepalived,
    kubeadm,
    kubelet,
    nginx,
    shutdown,
    system,
    tickle,
    watch,
    weave,
)
from kanae.render.documents import to_yaml
from kanae.render.handover import Moving
from kanae.render.kubelet_config import kubelet_patch
from kanae.spec.models import Balancer, EtcdTopology, Role, Spec

from ...model.fixtures import EXAMPLES, ROOT, base_of, example
from ..golden import agree
from .cases import V1, V2, small

GOLDEN: Final = ROOT / "tests" / "golden" / "render"
PAUSE: Final = "registry.k8s.io/pause:3.10.2"
FLANNEL: Final = "ghcr.io/flannel-io/flannel:v0.28.10"
BASES: Final = {"v1": V1, "v2": V2}


def node_files(spec: Spec, host: str, base: HostBase) -> dict[str, str]:
    address = str(spec.hosts[host].address)
    return {
        paths.CONTAINERD_CONFIG: containerd.config(spec, host, base, PAUSE),
        paths.CONTAINERD_UNIT: containerd.unit(base),
        paths.CRICTL_CONFIG: containerd.crictl(),
        paths.KUBELET_UNIT: kubelet.unit(),
        paths.KUBELET_DROPIN: kubelet.dropin(host, address, base),
        paths.KUBELET_PATCH: kubelet_patch(spec, host, base),
    }


def control_plane_files(spec: Spec, host: str, base: HostBase) -> dict[str, str]:
    files = {
        "(init)": to_yaml(kubeadm.init_documents(spec, host, base)),
        paths.SHUTDOWN_UNIT: shutdown.unit(),
        paths.SHUTDOWN_SCRIPT: shutdown.script(),
    }
    files[paths.COREDNS_PATCH] = coredns.patch(spec)
    if (patch := api_server.patch(spec)) is not None:
        files[paths.API_SERVER_PATCH] = patch
    if spec.etcd_topology is EtcdTopology.EXTERNAL:
        files[paths.ETCD_BALANCER_CONFIG] = haproxy.etcd_balancer(spec, host)
        files[paths.ETCD_BALANCER_UNIT] = haproxy.etcd_balancer_unit(base)
    if spec.load_balancer.kind is Balancer.NGINX:
        files[paths.GATE_SCRIPT] = nginx.gate_script(spec, host)
        files[paths.GATE_UNIT] = nginx.gate_unit()
    return files


def balancer_files(spec: Spec, host: str, base: HostBase) -> dict[str, str]:
    unit = f"{paths.UNITS}/{units.balancer(spec.name)}"
    is_nginx = spec.load_balancer.kind is Balancer.NGINX
    files = {
        paths.balancer_config(spec.name): nginx.config(spec, base)
        if is_nginx
        else haproxy.balancer(spec, host, base),
        unit: nginx.unit(spec, base) if is_nginx else haproxy.balancer_unit(spec, base),
    }
    if is_nginx:
        files[paths.watch_script(spec.name)] = watch.script(spec, base)
        files[f"{paths.UNITS}/{units.watch(spec.name)}"] = watch.unit(spec)
    if spec.load_balancer.virtual_address is not None:
        files |= hand_over_files(spec, host, base)
        files[paths.keepalived_config(spec.name)] = keepalived.config(spec, host, base)
        files[f"{paths.UNITS}/{units.keepalived(spec.name)}"] = keepalived.unit(spec, base)
        # Its program is the same on every host: see test_tickle.py.
        files[f"{paths.UNITS}/{units.tickle(spec.name)}"] = tickle.unit(spec, host, base)
    return files


def hand_over_files(spec: Spec, host: str, base: HostBase) -> dict[str, str]:
    """As if the host gave its address to the others, and they passed on to it. The program is the
    same on every host: see test_handover.py."""
    name, own = spec.name, spec.hosts[host].address
    moving = [Moving(each.address, "eth0") for each in spec.virtual_addresses]
    at = paths.UNITS
    return {
        paths.hand_over_script(name): handover.keep_script(name, own, moving),
        f"{at}/{units.hand_over(name)}": handover.keep_unit(
            name, base, moving, spec.balanced_ports, handover.LONGEST
        ),
        paths.pass_on_script(name): handover.pass_script(
            name, own, moving, spec.balanced_ports, handover.LONGEST
        ),
        f"{at}/{units.pass_on(name)}": handover.pass_unit(name),
    }


def host_files(spec: Spec, host: str, base: HostBase) -> dict[str, str]:
    """Path -> text of all that a host gets."""
    roles = spec.hosts[host].roles
    files: dict[str, str] = {}
    if settings := system.sysctls(spec, host, base):
        files[paths.SYSCTLS] = system.sysctls_file(settings)
    if modules := system.modules(spec, host):
        files[paths.MODULES] = system.modules_file(modules)
    if host in spec.nodes:
        files |= node_files(spec, host, base)
    if Role.CONTROL_PLANE in roles:
        files |= control_plane_files(spec, host, base)
    elif Role.WORKER in roles:
        joining = kubeadm.join_documents(spec, host, base, control_plane=False)
        files["(join)"] = to_yaml(joining)
    if Role.ETCD in roles:
        members = {name: str(spec.hosts[name].address) for name in spec.having(Role.ETCD)}
        files[paths.ETCD_CONFIG] = etcd.config(spec, host)
        files[paths.ETCD_BOOTSTRAP] = etcd.bootstrap(spec, members, "new")
        files[paths.ETCD_UNIT] = etcd.unit(spec, base)
    if host in spec.etcd_hosts and len(spec.etcd_hosts) > 1:
        files[paths.ETCD_FAILOVER_SCRIPT] = etcd_failover.script(spec)
        files[paths.ETCD_FAILOVER_UNIT] = etcd_failover.unit()
    if Role.LOAD_BALANCER in roles:
        files |= balancer_files(spec, host, base)
    return files


def as_one(files: dict[str, str]) -> str:
    return "\n".join(f"===== {path}\n{text}" for path, text in files.items())


@pytest.mark.parametrize("kind", sorted(BASES))
@pytest.mark.parametrize("name", EXAMPLES)
def test_hosts_of_an_example_get_the_recorded_files(name: str, kind: str) -> None:
    spec = example(name)
    for host in spec.hosts:
        files = host_files(spec, host, base_of(spec, host, BASES[kind]))
        agree(GOLDEN / name / kind / f"{host}.txt", as_one(files))


@pytest.mark.parametrize("name", EXAMPLES)
def test_pod_networks_of_an_example_are_the_recorded_objects(name: str) -> None:
    spec = example(name)
    for network, objects in (
        ("flannel", flannel.objects(spec, FLANNEL)),
        ("weave", weave.objects(spec)),
    ):
        agree(GOLDEN / name / f"{network}.json", json.dumps(objects, indent=1) + "\n")


@pytest.mark.parametrize("kind", sorted(BASES))
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_text_is_marked_and_ends_with_a_newline(name: str, kind: str) -> None:
    spec = example(name)
    for host in spec.hosts:
        for path, text in host_files(spec, host, base_of(spec, host, BASES[kind])).items():
            assert "Managed by kanae; changes are repaired by `kanae apply`." in text, path
            assert text.endswith("\n"), path
            assert not text.endswith("\n\n"), path


def test_the_files_of_scheduled_backups_are_as_recorded() -> None:
    spec = small(backup={"schedule": {"every": "6h"}, "keep": {"count": 5, "age": "30d"}})
    schedule = spec.backup.schedule
    assert schedule is not None
    of_host = {paths.BACKUP_SPEC: "spec.yaml", **files(spec, "m1")}
    agree(GOLDEN / "backup" / "backup.sh", backup.script(spec, "m1", of_host, OBJECTS))
    agree(GOLDEN / "backup" / units.BACKUP, backup.service(spec))
    agree(GOLDEN / "backup" / units.BACKUP_TIMER, backup.timer(spec, schedule))
