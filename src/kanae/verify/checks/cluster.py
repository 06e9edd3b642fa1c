"""Leftovers of other clusters, versions, artifacts."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.facts.nodes import kubelet_version
from kanae.layout import marks
from kanae.spec.models import Role
from kanae.spec.versions import KubernetesVersion, kubelet_skew, unsupported
from kanae.verify.model import Finding, Subject, error


def leftovers(subject: Subject) -> Iterator[Finding]:
    """Files of a cluster on a host that does not carry this cluster's mark."""
    for host, facts in subject.hosts():
        if subject.ours(host):
            continue
        owner = facts.marks.get(marks.CLUSTER, "").strip()
        roles = set(subject.spec.hosts[host].roles)
        if owner and roles & {Role.CONTROL_PLANE, Role.WORKER, Role.ETCD}:
            yield error(
                "leftovers",
                host,
                f"it belongs to the cluster {owner}",
                f"take it out of {owner} first: kanae reset with that cluster's spec",
            )
            continue
        found = [path for path, fact in facts.files.items() if fact is not None and _tell(path)]
        if found:
            yield error(
                "leftovers",
                host,
                f"it holds {', '.join(found)}, which kanae did not make",
                "make sure that nobody needs that cluster, then `kubeadm reset` there (or its own "
                "uninstaller) and remove what is left",
            )


def _tell(path: str) -> bool:
    """Containerd's and kubelet's configuration may be there without any cluster."""
    return not path.endswith((".toml", "kubelet/config.yaml"))


def versions(subject: Subject) -> Iterator[Finding]:
    wanted = KubernetesVersion.parse(subject.spec.version)
    if why := unsupported(wanted):
        yield error("versions", None, why, "set another kubernetes version")
    api = subject.facts.api
    if api is None:
        return
    server = _version(api.version)
    for name, node in api.nodes.items():
        kubelet = _version(kubelet_version(node))
        if server is not None and kubelet is not None and (why := kubelet_skew(kubelet, server)):
            host = name if name in subject.spec.hosts else None
            yield error("versions", host, why, "bring kubelet to the API server's version")


def _version(text: str) -> KubernetesVersion | None:
    try:
        return KubernetesVersion.parse(text.partition("-")[0].partition("+")[0])
    except ValueError:
        return None


def artifacts(subject: Subject) -> Iterator[Finding]:
    if subject.missing_artifacts:
        yield error(
            "artifacts",
            None,
            f"not stored here, and no source has them: {', '.join(subject.missing_artifacts)}",
            "kanae artifacts fetch says why; artifacts.source in the spec names the source",
        )
