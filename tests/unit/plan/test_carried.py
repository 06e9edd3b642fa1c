"""Actions carry all that those who carry them out need: nobody asks the spec again."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from kanae.facts.model import Facts, FileFact
from kanae.layout import marks
from kanae.plan.actions import KubeadmInit, KubeadmJoin, RemoveKubeconfig, WriteKubeconfig
from kanae.plan.model import Action, Plan
from kanae.plan.pki import AUTHORITIES
from kanae.plan.reset import reset
from kanae.spec.models import Spec

from ...model.fixtures import Desk, bare, document_of

AUTHORITY_FILES = tuple(path for pair in AUTHORITIES.values() for path in pair)
A = TypeVar("A", bound=Action)


def by_host(plan: Plan, kind: type[A]) -> dict[str | None, A]:
    return {step.host: step.action for step in plan if isinstance(step.action, kind)}


def marked(facts: Facts, host: str, **held: str) -> Facts:
    here = facts.hosts[host]
    return Facts({**facts.hosts, host: replace(here, marks={**here.marks, **held})})


@pytest.mark.parametrize(
    ("name", "folder", "checks"),
    [
        ("three-machines", "/data/etcd", {"DirAvailable--data-etcd", "Port-2379", "Port-2380"}),
        (
            "three-machines",
            "/var/lib/etcd",
            {"DirAvailable--var-lib-etcd", "Port-2379", "Port-2380"},
        ),
        ("reference", "/data/etcd", set[str]()),
    ],
)
def test_an_init_that_goes_on_ignores_the_checks_that_the_first_one_makes_fail(
    name: str, folder: str, checks: set[str]
) -> None:
    """kubeadm looks at etcd's folder and ports only where it runs etcd itself."""
    spec = Spec.model_validate(document_of(name) | {"etcd": {"dataDir": folder}})
    host = {"three-machines": "node1", "reference": "server1"}[name]
    [fresh] = by_host(Desk.of(spec).plan(bare(spec)), KubeadmInit).values()
    assert fresh.ignored == ()
    facts = marked(bare(spec), host, **{marks.INIT_STARTED: ""})
    [action] = by_host(Desk.of(spec).plan(facts), KubeadmInit).values()
    assert set(action.ignored) == checks | {
        "Port-6443",
        "Port-10250",
        "Port-10257",
        "Port-10259",
        "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml",
        "FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml",
        "FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml",
        "FileAvailable--etc-kubernetes-manifests-etcd.yaml",
    }


def test_a_host_joins_by_one_that_has_joined() -> None:
    """The first control-plane host of the file may be the one that was lost."""
    spec = Spec.model_validate(document_of("three-machines"))
    facts = marked(bare(spec), "node2", **{marks.JOINED: "fingerprint"})
    held = {path: FileFact("file", 0o600, "root:root", 1, "0") for path in AUTHORITY_FILES}
    facts = Facts({**facts.hosts, "node2": replace(facts.hosts["node2"], files=held)})
    joins = by_host(Desk.of(spec).plan(facts), KubeadmJoin)
    assert {host: join.source for host, join in joins.items()} == {
        "node1": "node2",
        "node3": "node2",
    }


@pytest.mark.parametrize(("user", "owner"), [("ann", "ann:"), ("root", "root:")])
def test_a_kubeconfig_belongs_to_the_user_whom_the_host_is_reached_as(
    user: str, owner: str
) -> None:
    spec = Spec.model_validate(document_of("reference") | {"ssh": {"user": user}})
    desk, facts = Desk.of(spec), marked(bare(spec), "server5", **{f"{marks.MEMBER}reference": ""})
    written = by_host(desk.plan(facts), WriteKubeconfig)["server5"]
    taken = by_host(reset(desk.view(facts), keep_artifacts=False), RemoveKubeconfig)["server5"]
    assert written.owner == taken.owner == owner
    assert written.endpoint == f"{spec.endpoint_host}:6440"
