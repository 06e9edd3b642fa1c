"""kubeadm's preflight checks by name: those that fail over what is meant to be there.

Source of the names: cmd/kubeadm/app/preflight/checks.go (InitNodeChecks, and each check's Name).
"""

from __future__ import annotations

from kanae.facts.model import HostFacts
from kanae.layout import paths as at
from kanae.layout import ports
from kanae.plan.etcd import LOST_FOUND
from kanae.spec.models import EtcdTopology, Spec


def left_by_init(spec: Spec) -> tuple[str, ...]:
    """Preflight checks that fail over what an interrupted init left: ignored when it is resumed.

    kubeadm looks at etcd's ports and folder only where it runs etcd itself.
    """
    listening = [ports.API_SERVER, ports.KUBELET, ports.CONTROLLER_MANAGER, ports.SCHEDULER]
    pods = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
    folders: list[str] = []
    if spec.etcd_topology is not EtcdTopology.EXTERNAL:
        listening += [ports.ETCD_CLIENT, ports.ETCD_PEER]
        folders.append(str(spec.etcd.data_dir))
    return (
        *(f"Port-{port}" for port in listening),
        *(_of_path("FileAvailable", f"{at.MANIFESTS}/{pod}.yaml") for pod in pods),
        *(_of_path("DirAvailable", folder) for folder in folders),
    )


def on_own_disk(spec: Spec, facts: HostFacts, *, cleared: bool) -> tuple[str, ...]:
    """A stacked member on a file system of its own finds lost+found in its folder, which etcd does
    not mind and kubeadm does. cleared: whatever else is there will be gone by then.
    """
    folder = str(spec.etcd.data_dir)
    held = set(facts.folders.get(folder, ()))
    if etcd_of_kubeadm(spec, facts.host) and LOST_FOUND in held and (cleared or len(held) == 1):
        return (_of_path("DirAvailable", folder),)
    return ()


def restored(spec: Spec, host: str) -> tuple[str, ...]:
    """A stacked member's folder has data of a backup."""
    if not etcd_of_kubeadm(spec, host):
        return ()
    return (_of_path("DirAvailable", str(spec.etcd.data_dir)),)


def etcd_of_kubeadm(spec: Spec, host: str) -> bool:
    """Whether kubeadm makes an etcd member on this host."""
    return spec.etcd_topology is EtcdTopology.STACKED and host in spec.etcd_hosts


def _of_path(check: str, path: str) -> str:
    return f"{check}-{path.replace('/', '-')}"
