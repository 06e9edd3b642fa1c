"""A living cluster gets another endpoint: a single host grows to three, balancers come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kanae.errors import Refused
from kanae.layout import paths as at
from kanae.plan.endpoint import CLUSTER_INFO
from kanae.spec.models import Role, Spec

from .fixtures import Document, document_of, grown, to_virtual
from .settled import unsettled
from .simulator import Moments, Simulator


def lead_elsewhere(sim: Simulator) -> list[str]:
    """What leads somewhere else than to the endpoint, by what is on hosts and in the cluster."""
    spec = sim.world.spec
    wanted = f"server: https://{spec.endpoint_host}:{spec.endpoint.port}\n"
    masters = spec.having(Role.CONTROL_PLANE)
    found = [
        f"{host}:{path}"
        for host in spec.nodes
        for path in (at.ADMIN_CONF, at.KUBELET_CONF)
        if sim.world.hosts[host].has(path)
        and not (path == at.KUBELET_CONF and host in masters)
        and wanted not in sim.world.hosts[host].text(path)
    ]
    if wanted not in sim.world.objects[CLUSTER_INFO]["data"]["kubeconfig"]:
        found.append("cluster-info")
    return found


def test_a_single_host_grows_to_three_behind_a_virtual_address(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("single")
    sim.world.edit(Spec.model_validate(grown()))
    assert not sim.plan().empty
    sim.converge()
    assert unsettled(sim.world) == []
    assert lead_elsewhere(sim) == []
    assert sim.world.members == dict.fromkeys(sim.world.spec.etcd_hosts, True)


def test_a_single_host_grows_to_three_machines_that_are_everything(
    built: Callable[[str], Simulator],
) -> None:
    """The old address stays an API server's, and the balancer beside it has a port of its own."""
    sim = built("single")
    document = grown()
    hosts = document["hosts"]
    document["hosts"] = {
        host: hosts[host] | {"roles": ["control-plane", "worker", "load-balancer"]}
        for host in hosts
        if "control-plane" in hosts[host]["roles"]
    }
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    assert unsettled(sim.world) == []
    assert lead_elsewhere(sim) == []


def test_three_do_not_become_one_again(built: Callable[[str], Simulator]) -> None:
    sim = built("single")
    sim.world.edit(Spec.model_validate(grown()))
    sim.converge()
    sim.world.edit(Spec.model_validate(document_of("single")))
    with pytest.raises(Refused, match="nobody would answer at the old one"):
        sim.plan()


@pytest.mark.parametrize("kill", range(5, 150, 13))
def test_killed_on_the_way_it_is_gone_on_with(built: Callable[[str], Simulator], kill: int) -> None:
    sim = built("single")
    sim.world.edit(Spec.model_validate(grown()))
    sim.apply(Moments(kill_record=kill))
    sim.converge()
    assert unsettled(sim.world) == []
    assert lead_elsewhere(sim) == []


def test_another_name_comes_into_the_certificates_of_all(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    document = document_of("vip")
    document["apiServer"] = {"certSans": ["api.example.org"]}
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    for host in sim.world.spec.having(Role.CONTROL_PLANE):
        assert "api.example.org" in sim.world.names(host)
    assert unsettled(sim.world) == []


def test_a_virtual_address_comes_before_a_balancer(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    document = document_of("reference")
    to_virtual(document)
    document["apiServer"] = {"certSans": ["10.77.1.9"]}
    sim.world.edit(Spec.model_validate(document))
    steps = [step.id for step in sim.plan()]
    assert steps.index("lb2/balancer/converge") < steps.index("server4/endpoint/lead")
    sim.converge()
    assert unsettled(sim.world) == []
    assert lead_elsewhere(sim) == []
    client = sim.world.hosts["server5"].text("/root/.kube/config")
    assert "10.77.1.100:6440" in client


def without_name(document: Document) -> None:
    to_virtual(document)


def without_the_old(document: Document) -> None:
    to_virtual(document)
    document["hosts"]["lb"]["address"] = "10.77.1.9"
    document["hosts"]["lb3"] = document["hosts"].pop("lb") | {"address": "10.77.1.23"}


def another_port(document: Document) -> None:
    document["endpoint"] = {"port": 7443}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_name, "say endpoint.former: [{address: 10.77.1.9, port: 6440}]"),
        (without_the_old, "nobody would answer at the old one"),
        (another_port, "nobody would answer at the old one"),
    ],
)
def test_the_old_one_goes_on_until_nobody_uses_it(
    built: Callable[[str], Simulator], change: Callable[[Document], None], words: str
) -> None:
    sim = built("reference")
    document = document_of("reference")
    change(document)
    sim.world.edit(Spec.model_validate(document))
    with pytest.raises(Refused) as refused:
        sim.plan()
    assert words in f"{refused.value} {refused.value.remedy}"


@pytest.mark.parametrize("kill", [3, 11, 15])
def test_a_name_that_is_put_back_is_in_all_certificates(
    built: Callable[[str], Simulator], kill: int
) -> None:
    """Somebody takes it away, the run is killed, and he thinks better of it."""
    sim = built("vip")
    document = document_of("vip")
    with_name = Spec.model_validate(document | {"apiServer": {"certSans": ["api.example.org"]}})
    sim.world.edit(with_name)
    sim.converge()
    sim.world.edit(Spec.model_validate(document))
    sim.apply(Moments(kill_effect=kill))
    sim.flights.clear()
    sim.world.edit(with_name)
    sim.converge()
    for host in sim.world.spec.having(Role.CONTROL_PLANE):
        assert "api.example.org" in sim.world.names(host)


@pytest.mark.parametrize("kill", range(1, 6))
def test_kube_proxy_starts_anew_when_a_run_ended_before_it_did(
    built: Callable[[str], Simulator], kill: int
) -> None:
    sim = built("vip")
    document = document_of("vip") | {"kubeProxy": {"mode": "iptables"}}
    sim.world.edit(Spec.model_validate(document))
    sim.apply(Moments(kill_effect=kill))
    sim.flights.clear()
    sim.converge()
    assert unsettled(sim.world) == []


def edit(sim: Simulator, name: str, **fields: Any) -> Document:
    document = document_of(name) | fields
    sim.world.edit(Spec.model_validate(document))
    return document


def refused(sim: Simulator) -> str:
    with pytest.raises(Refused) as told:
        sim.plan()
    return f"{told.value} {told.value.remedy}"


def test_a_name_is_given_to_a_virtual_address_that_stays(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    edit(sim, "vip", endpoint={"name": "api.example.org"})
    sim.converge()
    assert unsettled(sim.world) == []
    assert lead_elsewhere(sim) == []


@pytest.mark.parametrize("address", ["10.77.2.101", "10.77.2.8"])
def test_the_address_under_a_name_goes_on_until_dns_has_changed(
    built: Callable[[str], Simulator], address: str
) -> None:
    sim = built("vip")
    edit(sim, "vip", endpoint={"name": "api.example.org"})
    sim.converge()
    document = document_of("vip") | {"endpoint": {"name": "api.example.org"}}
    if address.endswith("101"):
        document["loadBalancer"] = {"kind": "haproxy", "virtualAddress": {"address": address}}
    else:
        document["loadBalancer"] = {"kind": "haproxy"}
    sim.world.edit(Spec.model_validate(document))
    assert "api.example.org leads to 10.77.2.100" in refused(sim)


def test_a_balancer_stays_while_a_cut_off_run_has_left_somebody_with_it(
    built: Callable[[str], Simulator],
) -> None:
    """kubeadm's record names the new endpoint from the first step on."""
    sim = built("reference")
    document = document_of("reference")
    to_virtual(document)
    document["apiServer"] = {"certSans": ["10.77.1.9"]}
    sim.world.edit(Spec.model_validate(document))
    sim.apply(Moments(kill_record=40))
    sim.settle()
    assert lead_elsewhere(sim)
    document["hosts"]["lb3"] = {"address": "10.77.1.21", "roles": ["load-balancer"]}
    del document["hosts"]["lb"]
    sim.world.edit(Spec.model_validate(document))
    words = refused(sim)
    assert "nobody would answer at the old one" in words
    assert "keep lb, which has 10.77.1.9" in words


def test_an_edit_is_taken_back_while_nobody_has_moved(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    document = document_of("reference")
    to_virtual(document)
    document["apiServer"] = {"certSans": ["10.77.1.9"]}
    sim.world.edit(Spec.model_validate(document))
    sim.apply(Moments(kill_record=20))
    sim.settle()
    assert any("/endpoint/lead" in step.id for step in sim.plan())
    document = document_of("reference")
    document["hosts"]["lb2"] = {"address": "10.77.1.20", "roles": ["load-balancer"]}
    document["endpoint"] = {"port": 6440, "address": "10.77.1.9"}
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    assert unsettled(sim.world) == []
    assert lead_elsewhere(sim) == []


def test_an_address_of_the_operators_own_is_left_for_another(
    built: Callable[[str], Simulator],
) -> None:
    """What answers there is not the spec's, and goes on."""
    sim = built("single")
    document = grown()
    document["hosts"] = {name: document["hosts"][name] for name in ("only", "m2", "m3")}
    document["loadBalancer"] = {}
    document["endpoint"] = {"address": "10.77.4.200"}
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    document["endpoint"] = {"address": "10.77.4.10"}
    document["apiServer"] = {"certSans": ["10.77.4.200"]}
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    assert lead_elsewhere(sim) == []


def test_a_host_that_has_not_joined_is_no_endpoint(built: Callable[[str], Simulator]) -> None:
    """The first control-plane host of the file is the endpoint where there is no balancer."""
    sim = built("single")
    document = grown()
    first = document["hosts"]["only"]
    document["hosts"] = {"m2": document["hosts"]["m2"], "m3": document["hosts"]["m3"]}
    document["hosts"]["only"] = first
    document["loadBalancer"], document["endpoint"] = {}, {}
    sim.world.edit(Spec.model_validate(document))
    words = refused(sim)
    assert "the endpoint would be m2, which has not joined" in words
    document["endpoint"] = {"address": "10.77.4.10"}
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    assert unsettled(sim.world) == []
