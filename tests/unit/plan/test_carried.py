"""Actions carry all that those who carry them out need: nobody asks the spec again."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from kanae.errors import Refused
from kanae.facts.login import Login
from kanae.facts.model import Facts, FileFact
from kanae.layout import marks
from kanae.plan.actions import KubeadmInit, KubeadmJoin, RemoveKubeconfig, WriteKubeconfig
from kanae.plan.certificates import AUTHORITIES
from kanae.plan.clients import KUBECONFIG
from kanae.plan.model import Action, Plan
from kanae.plan.reset import reset
from kanae.spec.models import Spec

from ...model.fixtures import Desk, bare, document_of

AUTHORITY_FILES = tuple(path for pair in AUTHORITIES.values() for path in pair)
MEMBER = {f"{marks.MEMBER}reference": ""}
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


def reached_as(
    facts: Facts, login: Login, *, present: bool, client: str = "server5", **held: str
) -> Facts:
    """The client's facts by this account, whose kubeconfig is there or not."""
    facts = marked(facts, client, **held)
    here = facts.hosts[client]
    file = FileFact("file", 0o600, "", 9, "0") if present else None
    base, files = replace(here.base, login=login), {**here.files, KUBECONFIG: file}
    return Facts({**facts.hosts, client: replace(here, base=base, files=files)})


@pytest.mark.parametrize(
    ("login", "owner", "path"),
    [
        (Login("root", "/root", usable=True), "root:", "/root/.kube/config"),
        (
            Login("CORP\\ann", "/home/corp/ann", usable=True),
            "CORP\\ann:",
            "/home/corp/ann/.kube/config",
        ),
        (Login("kanae", "/var/lib/kanae/", usable=True), "kanae:", "/var/lib/kanae/.kube/config"),
    ],
)
def test_a_kubeconfig_belongs_to_the_account_that_the_host_says_has_logged_in(
    login: Login, owner: str, path: str
) -> None:
    """Whatever the spec's user: it may come from ssh_config, or be the operator's own name."""
    spec = Spec.model_validate(document_of("reference") | {"ssh": {"user": "someone"}})
    desk, facts = Desk.of(spec), reached_as(bare(spec), login, present=True, **MEMBER)
    written = by_host(desk.plan(facts), WriteKubeconfig)["server5"]
    taken = by_host(reset(desk.view(facts), keep_artifacts=False), RemoveKubeconfig)["server5"]
    assert (written.owner, written.path) == (taken.owner, taken.path) == (owner, path)
    assert written.endpoint == f"{spec.endpoint_host}:6440"


def test_a_home_that_cannot_be_used_is_refused_and_a_reset_passes_it_over() -> None:
    spec = Spec.model_validate(document_of("reference"))
    facts = reached_as(bare(spec), Login("ann", "/home/a b", usable=False), present=False, **MEMBER)
    with pytest.raises(Refused, match=r"server5 gets no kubeconfig: .* of ann, .* is /home/a b"):
        Desk.of(spec).plan(facts)
    assert not by_host(reset(Desk.of(spec).view(facts), keep_artifacts=False), RemoveKubeconfig)


def test_a_client_reached_as_another_account_gets_another_kubeconfig() -> None:
    """He may have one already, of other clusters. The old one stays where it is."""
    document = document_of("single")
    [(host, of_host)] = document["hosts"].items()
    of_host["roles"] = [*of_host["roles"], "client"]
    spec = Spec.model_validate(document)
    desk = Desk.of(spec)
    held = {path: FileFact("file", 0o600, "root:root", 1, "0") for path in AUTHORITY_FILES}
    fresh = bare(spec)
    living = Facts({host: replace(fresh.hosts[host], files=held)})
    mark = {
        marks.JOINED: "fingerprint",
        marks.CLUSTER: spec.name,
        marks.KUBECONFIG + spec.name: f"{spec.endpoint_host}:6443 0 /home/ann/.kube/config",
    }

    def by(name: str, *, present: bool) -> Facts:
        login = Login(name, f"/home/{name}", usable=True)
        return reached_as(living, login, present=present, client=host, **mark)

    assert not by_host(desk.plan(by("ann", present=True)), WriteKubeconfig)
    changed = by_host(desk.plan(by("bob", present=True)), WriteKubeconfig)
    assert changed[host].path == "/home/bob/.kube/config"
    gone = reset(desk.view(by("bob", present=False)), keep_artifacts=False)
    assert not by_host(gone, RemoveKubeconfig)
