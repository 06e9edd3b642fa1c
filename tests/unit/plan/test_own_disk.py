"""A stacked etcd member on a disk of its own: kubeadm is told not to mind lost+found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kanae.facts.model import FileFact
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import KubeadmInit, KubeadmJoin
from kanae.plan.hosts import queries

from ...model.fixtures import Desk, bare, example

ETCD = "/var/lib/etcd"
PASSED_OVER = ("DirAvailable--var-lib-etcd",)


def _ignored(
    name: str, held: tuple[str, ...], *, half_joined: bool = False
) -> set[tuple[str, ...]]:
    """What the masters' joins pass over when every host's folder holds this, and without traces of
    a join what init does."""
    spec = example(name)
    facts = bare(spec)
    trace = {at.KUBELET_CONF: FileFact("file", 0o600, "root:root", 1)} if half_joined else {}
    hosts = {
        host: replace(each, folders={ETCD: held}, marks={marks.CLUSTER: spec.name}, files=trace)
        for host, each in facts.hosts.items()
    }
    actions = [step.action for step in Desk.of(spec).plan(replace(facts, hosts=hosts))]
    (init,) = (each for each in actions if isinstance(each, KubeadmInit))
    joins = [a for a in actions if isinstance(a, KubeadmJoin) and a.control_plane]
    return {each.ignored for each in joins} | ({init.ignored} if not half_joined else set())


@pytest.mark.parametrize(
    ("held", "ignored"),
    [
        ((), ()),
        (("lost+found",), PASSED_OVER),
        (("lost+found", "member"), ()),
        (("member",), ()),
    ],
)
def test_lost_and_found_alone_is_passed_over(
    held: tuple[str, ...], ignored: tuple[str, ...]
) -> None:
    assert _ignored("three-machines", held) == {ignored}


def test_what_an_interrupted_join_left_is_cleared_first() -> None:
    held = ("lost+found", "member")
    assert _ignored("three-machines", held, half_joined=True) == {PASSED_OVER}


def test_with_external_etcd_kubeadm_does_not_look() -> None:
    assert _ignored("reference", ("lost+found",)) == {()}


def test_the_folder_is_asked_for() -> None:
    desk = Desk.of(example("three-machines"))
    assert all(ETCD in query.folders for query in queries(desk.site).values())
