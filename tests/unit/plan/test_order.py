"""What comes first on every host, whatever else its plan holds."""

from __future__ import annotations

from itertools import permutations

import pytest

from kanae.layout import marks
from kanae.plan.actions import Converge, KubeadmJoin
from kanae.plan.membership import cluster_mark
from kanae.spec.models import Role, Spec

from ...model.fixtures import EXAMPLES, Desk, ancestors, bare, document_of, example


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_put_on_a_host_before_it_is_marked_as_the_clusters(name: str) -> None:
    """A run that stops in between must find again that what is there is its own."""
    spec = example(name)
    plan = Desk.of(spec).plan(bare(spec))
    for host in spec.hosts:
        first = plan.by_id()[f"{host}/system/converge"]
        assert isinstance(first.action, Converge)
        written = {
            content.path for resource in first.action.resources for content in resource.uploads()
        }
        assert marks.path(cluster_mark(spec, host)) in written
        others = [step.id for step in plan if step.host == host and step.id != first.id]
        assert others
        assert [step for step in others if first.id not in ancestors(plan.by_id(), step)] == []


def test_no_more_than_twenty_workers_join_at_once() -> None:
    document = document_of("reference")
    for number in range(45):
        address = f"10.77.1.{100 + number}"
        document["hosts"][f"w{number:02}"] = {"address": address, "roles": ["worker"]}
    spec = Spec.model_validate(document)
    plan = Desk.of(spec).plan(bare(spec))
    joins = [
        step.id
        for step in plan
        if isinstance(step.action, KubeadmJoin) and not step.action.control_plane
    ]
    assert len(joins) == 46
    for earlier, later in zip(joins, joins[20:], strict=False):
        assert earlier in ancestors(plan.by_id(), later)
    assert joins[0] not in ancestors(plan.by_id(), joins[19])


def test_images_are_loaded_while_packages_and_other_programs_come() -> None:
    """And all else waits for all of them."""
    spec = example("reference")
    plan = Desk.of(spec).plan(bare(spec))
    steps = plan.by_id()
    for host in spec.nodes:
        beside = [f"{host}/{stage}/converge" for stage in ("images", "packages", "kubelet")]
        for one, other in permutations(beside, 2):
            assert one not in ancestors(steps, other)
        assert set(beside) <= ancestors(steps, f"{host}/kubernetes/converge")
        # Of what is sent, that by which images are loaded comes first.
        assert steps[f"{host}/programs/converge"].needs == (f"{host}/artifacts/converge",)
    for host in spec.having(Role.LOAD_BALANCER):
        assert f"{host}/packages/converge" in ancestors(steps, f"{host}/balancer/converge")
    for host in spec.having(Role.CONTROL_PLANE):
        assert f"{host}/packages/converge" in ancestors(steps, f"{host}/etcd/converge")
