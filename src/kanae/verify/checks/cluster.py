"""Leftovers of other clusters, versions, artifacts."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.errors import Refused
from kanae.facts.nodes import kubelet_version
from kanae.plan.etcd import occupied_words, others_in
from kanae.plan.membership import known, strangers
from kanae.spec.versions import KubernetesVersion, kubelet_skew, unsupported
from kanae.verify.model import Finding, Subject, error


def leftovers(subject: Subject) -> Iterator[Finding]:
    """Hosts of another cluster, and files of one on a host that does not carry our mark."""
    try:
        identity = known(subject.spec, subject.facts).identity
    except Refused as refused:
        yield error("leftovers", None, refused.message, refused.remedy)
        return
    foreign = strangers(subject.spec, subject.facts, identity)
    for host, facts in subject.hosts():
        if host in foreign:
            remedy = "take it out of that cluster first: kanae reset with that cluster's spec"
            yield error("leftovers", host, f"it belongs to {foreign[host]}", remedy)
            continue
        if subject.ours(host):
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


def etcd_data(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.etcd_hosts():
        if others := others_in(subject.spec, facts):
            what, remedy = occupied_words(subject.spec, others)
            yield error("etcd-data", host, f"it {what}", remedy)


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
