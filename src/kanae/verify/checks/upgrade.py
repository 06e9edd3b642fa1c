"""What would stand in the way of an upgrade. Judged where one is asked about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from kanae.facts.nodes import cordoned_by_us, readiness
from kanae.spec.versions import (
    REMOVED_ARGUMENTS,
    REMOVED_GATES,
    KubernetesVersion,
)
from kanae.verify.checks.capacity import GIB
from kanae.verify.model import Finding, Subject, error, info, warning

# The programs of one version, its images packed and unpacked, and a snapshot of etcd.
_DISK = 2 * GIB
# etcd's own quota, see render/etcd.py and render/kubeadm.py.
_QUOTA = 8 * GIB
_GATE = re.compile(r"([A-Za-z0-9]+)=")


def nodes(subject: Subject) -> Iterator[Finding]:
    """kubeadm begins with no control-plane node that is not Ready; and whoever is away at the
    beginning cannot take the pods of others."""
    api = subject.facts.api
    if subject.upgrading is None or api is None:
        return
    for host in subject.spec.nodes:
        node = api.nodes.get(host)
        # One that an earlier run has taken away comes back by this one.
        if node is None or cordoned_by_us(node):
            continue
        if not (found := readiness(node)).ready:
            remedy = (
                f"kubectl describe node {host} says why; bring it up, or take it out of the spec"
            )
            yield error("upgrade-nodes", host, f"its node is not Ready ({found.reason})", remedy)


def etcd(subject: Subject) -> Iterator[Finding]:
    if subject.upgrading is None:
        return
    for host, facts in subject.etcd_hosts():
        fact = facts.etcd
        if not subject.ours(host):
            continue
        if fact is None:
            remedy = "bring it up first: one member more is away while another is moved"
            yield error("upgrade-etcd", host, "its member of etcd does not answer", remedy)
            continue
        if fact.errors:
            remedy = "put it right first (etcdctl alarm list, endpoint status)"
            yield error("upgrade-etcd", host, f"etcd says: {'; '.join(fact.errors)}", remedy)
        if fact.db_size > _QUOTA * 0.8:
            evidence = f"etcd's data is {fact.db_size / GIB:.1f} of {_QUOTA / GIB:.0f} GiB"
            yield error("upgrade-etcd", host, evidence, "compact and defragment it first")


def disk(subject: Subject) -> Iterator[Finding]:
    """Of two versions side by side."""
    if subject.upgrading is None:
        return
    for host, facts in subject.nodes():
        free, _ = facts.base.disks.get("/var/lib", (_DISK, 0))
        if free < _DISK:
            evidence = f"{free / GIB:.1f} GiB free in /var/lib"
            remedy = f"the new version beside the old one wants {_DISK / GIB:.0f} GiB: free some"
            yield error("upgrade-disk", host, evidence, remedy)


def deprecated(subject: Subject) -> Iterator[Finding]:
    if subject.upgrading is None:
        return
    wanted = KubernetesVersion.parse(subject.spec.version)
    for host, apis in subject.upgrading.deprecated.items():
        for api in apis:
            major, _, minor = api.removed.partition(".")
            known = major.isdigit() and minor.isdigit()
            if known and (int(major), int(minor)) <= (wanted.major, wanted.minor):
                yield error(
                    "upgrade-apis",
                    host,
                    f"somebody has asked for {api}, which Kubernetes {api.removed} has no more",
                    "have it changed (the audit log, or the API server's, tells who asks); where "
                    "that was before the API server's last start: --ignore upgrade-apis",
                )
            else:
                until = f" until {api.removed}" if api.removed else ""
                yield info("upgrade-apis", host, f"somebody asks for {api}, which is there{until}")


def webhooks(subject: Subject) -> Iterator[Finding]:
    """A new API server asks them before its own first writes, through old ones."""
    if subject.upgrading is None:
        return
    if subject.upgrading.webhooks is None:
        yield _untold("upgrade-webhooks", "admission webhooks")
    for each in subject.upgrading.webhooks or ():
        evidence = (
            f"webhook {each.name} of {each.object} must answer before {', '.join(each.matches)} "
            "are written, which a new API server does when it starts"
        )
        remedy = (
            "leave these out of its rules, or set failurePolicy: Ignore until the upgrade is done"
        )
        say = warning if each.narrowed else error
        yield say("upgrade-webhooks", None, evidence, remedy)


def budgets(subject: Subject) -> Iterator[Finding]:
    if subject.upgrading is None:
        return
    if subject.upgrading.budgets is None:
        yield _untold("upgrade-budgets", "PodDisruptionBudgets")
    for each in subject.upgrading.budgets or ():
        if each.never:
            yield error(
                "upgrade-budgets",
                None,
                f"PodDisruptionBudget {each.namespace}/{each.name} wants {each.desired} of "
                f"{each.expected} pods at all times, so that no node with one of them is drained",
                "let it allow one to be away, or give it one replica more",
            )


def _untold(check: str, what: str) -> Finding:
    evidence = f"no API server tells which {what} there are"
    return error(check, None, evidence, "kanae status tells what is down")


def removed(subject: Subject) -> Iterator[Finding]:
    """Feature gates and arguments of the spec that its version has no more: components end at once
    over them."""
    spec = subject.spec
    minor = KubernetesVersion.parse(spec.version).minor
    gone = {
        name: since for since, names in REMOVED_GATES.items() if since <= minor for name in names
    }
    components: dict[str, Mapping[str, str]] = {
        "apiServer": spec.api_server.extra_args,
        "controllerManager": spec.controller_manager.extra_args,
        "scheduler": spec.scheduler.extra_args,
    }
    for component, arguments in components.items():
        for since, names in REMOVED_ARGUMENTS.items():
            for name in sorted(names.get(component, frozenset()) & arguments.keys()):
                if since <= minor:
                    yield _gone(f"{component}.extraArgs: --{name}", since)
        for gate in _GATE.findall(arguments.get("feature-gates", "")):
            if gate in gone:
                yield _gone(f"{component}.extraArgs: the feature gate {gate}", gone[gate])
    documents: dict[str, Mapping[str, object]] = {
        "kubelet": spec.kubelet,
        "kubeProxy.settings": spec.kube_proxy.settings,
        **{f"hosts.{name}.kubelet": host.kubelet for name, host in spec.hosts.items()},
    }
    for field, document in documents.items():
        gates = document.get("featureGates")
        for gate in cast("Mapping[str, object]", gates) if isinstance(gates, Mapping) else ():
            if gate in gone:
                yield _gone(f"{field}.featureGates: {gate}", gone[gate])


def _gone(what: str, since: int) -> Finding:
    return error("removed", None, f"{what} is gone since Kubernetes 1.{since}", "take it out")
