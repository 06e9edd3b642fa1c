"""kubeadm's preflight checks by name: those that an interrupted init makes fail.

Source of the names: cmd/kubeadm/app/preflight/checks.go (InitNodeChecks, and each check's Name).
"""

from __future__ import annotations

from kanae.layout import paths as at
from kanae.layout import ports
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


def _of_path(check: str, path: str) -> str:
    return f"{check}-{path.replace('/', '-')}"
