"""One cluster for all of the soak's tests, which run in the order of their files' names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from made import Cluster


@pytest.fixture(scope="session")
def cluster(made_cluster: Callable[[str, int], Cluster]) -> Cluster:
    return made_cluster("reference", 8)
