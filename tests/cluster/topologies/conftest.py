"""One topology at a time: what a module's tests look at is taken down before the next is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from made import Cluster


@pytest.fixture(scope="module")
def built(made_cluster: Callable[[str, int], Cluster]) -> Iterator[Callable[[str, int], Cluster]]:
    """Makes the cluster of an example; a second apply finds nothing to do."""
    clusters: list[Cluster] = []

    def build(example: str, third: int) -> Cluster:
        cluster = made_cluster(example, third)
        clusters.append(cluster)
        cluster.apply()
        assert cluster.plan() == []
        return cluster

    yield build
    for cluster in clusters:
        cluster.kanae("lab", "down", cluster.name, "--yes")
