"""The examples are the topologies that kanae is for, and can run side by side."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kanae.spec.load import load
from kanae.spec.models import EtcdTopology, Role, Spec

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


def example(name: str) -> Spec:
    return load(EXAMPLES[0].with_name(f"{name}.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_loads_under_its_own_name(path: Path) -> None:
    assert load(path).name == path.stem


def test_examples_share_no_network_unless_they_share_a_balancer() -> None:
    networks: dict[IPv4Network, str] = {}
    for path in EXAMPLES:
        for host in load(path).hosts.values():
            network = IPv4Network(f"{host.address}/24", strict=False)
            group = path.stem.removesuffix("-a").removesuffix("-b")
            assert networks.setdefault(network, group) == group


def test_two_clusters_share_a_balancer_host_and_nothing_else() -> None:
    one, two = example("two-clusters-a"), example("two-clusters-b")
    assert one.having(Role.LOAD_BALANCER) == two.having(Role.LOAD_BALANCER)
    shared = {h.address for h in one.hosts.values()} & {h.address for h in two.hosts.values()}
    assert shared == {one.endpoint_address} == {two.endpoint_address}
    assert one.endpoint.port != two.endpoint.port


def test_etcd_is_where_the_topology_says() -> None:
    external = {path.stem for path in EXAMPLES if load(path).etcd_topology is EtcdTopology.EXTERNAL}
    assert external == {"reference", "dedicated-etcd"}
    assert not set(example("dedicated-etcd").having(Role.ETCD)) & set(
        example("dedicated-etcd").nodes
    )
