"""What other clusters and other people have left on a host."""

from __future__ import annotations

import pytest

from kanae.facts.model import ApiFact, Interface
from kanae.layout.runtimes import RUNTIMES
from kanae.verify.model import Severity, Subject
from kanae.verify.query import check_query

from .subjects import change, errors_of, found, make_spec, make_subject

CNI = "/etc/cni/net.d"
ETCD = "/var/lib/etcd"
JOINED = {"cluster": "demo", "joined": "x"}


def _links(subject: Subject, host: str, *links: Interface) -> Subject:
    base = subject.facts.hosts[host].base
    return change(subject, host, interfaces=(*base.interfaces, *links))


def test_what_is_looked_at_is_asked_for() -> None:
    runtimes = tuple(folder for each in RUNTIMES for folder in (each.containers, each.images))
    assert check_query(make_spec(), "w1").folders == (CNI, *runtimes)
    assert check_query(make_spec(), "m1").folders == (CNI, *runtimes, ETCD)
    assert check_query(make_spec(), "lb").folders == ()


@pytest.mark.parametrize(
    "name", ["05-old.conflist", "10-flannel.conflist", "87-podman-bridge.conflist", "x.conf"]
)
def test_another_networks_configuration_stops_a_host_that_has_not_joined(name: str) -> None:
    subject = change(make_subject(), "w1", folders={CNI: (".keep", "README", name)})
    (finding,) = errors_of(subject, "pod-network")
    assert finding.host == "w1"
    assert finding.evidence == (f"{CNI} holds {name}: containerd takes {name} for the pod network")


def test_what_an_interrupted_apply_of_this_cluster_wrote_is_its_own() -> None:
    files = {CNI: ("10-flannel.conflist",)}
    subject = change(make_subject(), "w1", folders=files, marks={"cluster": "demo"})
    assert not found(subject, "pod-network")


def test_on_a_joined_host_only_what_comes_before_ours_is_told() -> None:
    for name, told in (("00-multus.conf", True), ("99-other.conflist", False)):
        files = {CNI: ("10-flannel.conflist", name)}
        subject = change(make_subject(), "w1", folders=files, marks=JOINED)
        assert [f.severity for f in found(subject, "pod-network")] == [Severity.WARNING] * told


def test_networks_that_kanae_does_not_deliver_may_bring_their_own_file() -> None:
    spec = make_spec(networks={"podNetwork": {"provider": "none"}})
    subject = change(make_subject(spec), "w1", folders={CNI: ("05-cilium.conflist",)})
    assert [f.severity for f in found(subject, "pod-network")] == [Severity.WARNING]
    assert not found(change(subject, "w1", marks=JOINED), "pod-network")


@pytest.mark.parametrize(
    "name",
    ["cni0", "flannel.1", "weave", "kube-ipvs0", "cali0123456789a", "cilium_host", "nodelocaldns"],
)
def test_a_link_of_an_earlier_cluster_is_named_with_its_address(name: str) -> None:
    subject = _links(make_subject(), "w1", Interface(name, "02::7", ("10.99.0.1/24",)))
    (finding,) = errors_of(subject, "pod-network")
    assert f"{name} (10.99.0.1/24)" in finding.evidence
    assert f"ip link delete {name}" in finding.remedy


@pytest.mark.parametrize("name", ["docker0", "cni-podman0", "veth12ab", "eth1", "br0", "tunl0"])
def test_links_of_others_are_nobodys_business(name: str) -> None:
    subject = _links(make_subject(), "w1", Interface(name, "02::7", ("172.17.0.1/16",)))
    assert not found(subject, "pod-network")


@pytest.mark.parametrize(
    ("address", "wrong"),
    [("10.244.3.1/24", False), ("10.244.4.1/24", True), ("10.99.0.1/24", True)],
)
def test_a_joined_nodes_bridge_has_an_address_of_its_own_part(address: str, wrong: bool) -> None:
    api = ApiFact(True, "v1.37.2", {"w1": {"spec": {"podCIDR": "10.244.3.0/24"}}}, {})
    subject = change(make_subject(), "w1", marks=JOINED, api=api)
    subject = _links(subject, "w1", Interface("cni0", "02::7", (address, "fe80::1/64")))
    assert bool(errors_of(subject, "pod-network")) is wrong


@pytest.mark.parametrize(
    ("held", "wrong"),
    [((), False), (("lost+found",), False), (("member",), True), (("lost+found", "x"), True)],
)
def test_etcds_folder_may_hold_lost_and_found_and_nothing_else(
    held: tuple[str, ...], wrong: bool
) -> None:
    subject = change(make_subject(), "m2", folders={ETCD: held})
    assert [f.host for f in errors_of(subject, "etcd-data")] == ["m2"] * wrong
    # An apply that was interrupted has begun a member here; it has not put anything else there.
    ours = change(subject, "m2", marks={"cluster": "demo"})
    assert bool(found(ours, "etcd-data")) is ("x" in held)


def test_a_forbidden_module_is_not_called_a_lack_of_the_kernels() -> None:
    base = make_subject().facts.hosts["w1"].base
    subject = change(
        make_subject(),
        "w1",
        kernel_features=base.kernel_features - {"overlay", "br_netfilter"},
        forbidden_modules=frozenset({"overlay", "br_netfilter", "openvswitch"}),
    )
    findings = found(subject, "kernel")
    assert [f.severity for f in findings] == [Severity.ERROR] * 2
    assert ["br_netfilter" in f.evidence for f in findings] == [True, False]
    assert all("forbids it" in f.evidence and "modprobe.d" in f.remedy for f in findings)


def test_proxies_are_told_and_only_those_of_the_clusters_services_are_a_fault() -> None:
    dropin = "/etc/systemd/system/{}.service.d/proxy.conf"
    places = ("the SSH session", "/etc/environment")
    subject = change(make_subject(), "w1", proxies=places)
    (finding,) = found(subject, "proxy")
    assert finding.severity is Severity.INFO
    assert "the SSH session, /etc/environment" in finding.evidence
    pulled = change(make_subject(), "w1", proxies=(dropin.format("containerd"),))
    assert [f.severity for f in found(pulled, "proxy")] == [Severity.INFO]
    asked = change(make_subject(), "w1", proxies=(dropin.format("kubelet"),))
    assert [f.severity for f in found(asked, "proxy")] == [Severity.WARNING]
    assert not found(change(make_subject(), "lb", proxies=(dropin.format("kubelet"),)), "proxy")
