"""What comes first on every host, whatever else its plan holds."""

from __future__ import annotations

import pytest

from kanae.layout import marks
from kanae.plan.actions import Converge
from kanae.plan.membership import cluster_mark

from ...model.fixtures import EXAMPLES, Desk, ancestors, bare, example


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
