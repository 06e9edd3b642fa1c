"""What hosts need of each other, how it is tried, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import cast

import pytest

from kanae.facts.model import Facts, FileFact, Interface, Listener, UnitFact
from kanae.facts.ports import Outcome, Port
from kanae.facts.probe import ProbeFacts, ProbeQuery, parse_probe
from kanae.layout import paths as at
from kanae.layout import units
from kanae.render import haproxy, keepalived
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet
from kanae.transport.protocol import Completed, Upload
from kanae.verify.model import Severity
from kanae.verify.query import probe_query, ssh_port, taking
from kanae.verify.traffic import Path as Way
from kanae.verify.traffic import Tried, needed
from kanae.verify.trying import tried

from .subjects import SPEC, change, errors_of, file, found, make_spec, make_subject

VIP = {"loadBalancer": {"virtualAddress": {"address": "10.0.0.100", "routerId": 51}}}
TWO = {
    **VIP,
    "hosts": {
        **cast("dict[str, object]", SPEC["hosts"]),
        "lb2": {"address": "10.0.0.8", "roles": ["load-balancer"]},
    },
}
API = Way("w1", "m1", Port(6443, "tcp"), "the API server")


def _ways(spec: Spec) -> set[tuple[str, str, str]]:
    return {(path.source, path.target, str(path.port)) for path in needed(spec)}


def test_paths_are_those_of_the_roles_in_both_directions() -> None:
    ways = _ways(make_spec())
    assert {("w1", "m1", "TCP 6443"), ("lb", "m3", "TCP 6443"), ("m1", "m2", "TCP 2380")} <= ways
    assert {("m2", "w1", "TCP 10250"), ("w1", "lb", "TCP 6440"), ("m1", "m2", "TCP 2379")} <= ways
    assert {("w1", "m1", "UDP 8472"), ("m1", "w1", "UDP 8472")} <= ways
    assert not {way for way in ways if way[0] == way[1]}
    assert ("w1", "m1", "TCP 2379") not in ways
    assert ("w1", "m1", "TCP 10250") not in ways


def test_the_pod_network_says_which_ports_carry_pods() -> None:
    network = {"networks": {"podNetwork": {"provider": "none"}}}
    assert not {way for way in _ways(make_spec(**network)) if "UDP" in way[2]}


def test_balancers_of_a_virtual_address_hear_each_other() -> None:
    both = {("lb", "lb2", "IP protocol 112"), ("lb2", "lb", "IP protocol 112")}
    told = {("lb", "lb2", "UDP 11251"), ("lb2", "lb", "UDP 11251")}
    assert {way for way in _ways(make_spec(**TWO)) if "112" in way[2]} == both | told
    without = {**TWO, "loadBalancer": {}}
    for spec in (make_spec(**VIP), make_spec(**without)):
        assert not {way for way in _ways(spec) if "112" in way[2]}


class Network:
    """Hosts whose firewalls drop what is listed. Each answers the scripts as a host would."""

    def __init__(self, spec: Spec, dropped: set[tuple[str, str, int]]) -> None:
        self.names = {str(host.address): name for name, host in spec.hosts.items()}
        self.dropped = dropped
        self.open: dict[str, set[str]] = {}
        self.unable: set[str] = set()
        self.left_out: set[tuple[str, str]] = set()
        self.closed: list[str] = []

    def __getitem__(self, host: str) -> Box:
        return Box(host, self)


class Box:
    def __init__(self, host: str, network: Network) -> None:
        self.host, self.network = host, network

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        return Completed(0, "\n".join(["kanae-facts 1 1.5", *self._lines(script), ""]).encode(), "")

    def _lines(self, script: str) -> Iterator[str]:
        if words := re.search(r"^words='?([^'\n]*)", script, re.MULTILINE):
            if self.host not in self.network.unable:
                self.network.open[self.host] = set(words[1].split())
                yield from ("#1.5 held", *words[1].split(), "ready", "pid 77")
        elif ways := re.search(r"^for way in (.*); do$", script, re.MULTILINE):
            yield "#1.5 tried"
            for way in ways[1].split():
                kind, address, port = way.split(":")
                if (self.host, kind) in self.network.left_out:
                    continue
                target = self.network.names[address]
                drops = (self.host, target, int(port)) in self.network.dropped
                there = f"{kind}:{port}" in self.network.open.get(target, ())
                said = "silent" if drops else "answered" if there else "refused"
                yield f"{kind} {address} {port} {said}"
        else:
            self.network.closed.append(self.host)
        yield "#1.5 end 2.5"

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError("checks write no files")

    async def close(self) -> None: ...


async def _tried(network: Network, facts: Facts, *bare: str, spec: Spec | None = None) -> Tried:
    return await tried(spec or make_spec(), cast("Fleet", network), facts, bare)


async def test_every_path_of_bare_hosts_is_tried_and_every_port_closed_again() -> None:
    spec = make_spec()
    network = Network(spec, {("w1", "m1", 6443), ("m1", "w1", 8472)})
    result = await _tried(network, make_subject().facts, *spec.hosts)
    assert {path for path, _ in result.outcomes} == set(needed(spec))
    failed = {(p.source, p.target, str(p.port)) for p, o in result.outcomes if o != "answered"}
    assert failed == {("w1", "m1", "TCP 6443"), ("m1", "w1", "UDP 8472")}
    assert sorted(network.closed) == sorted(spec.hosts)
    assert result.untried == ()


async def test_on_hosts_of_the_living_cluster_nothing_is_opened() -> None:
    serving = (Listener("tcp", "*", 6443, "kube-apiserver"),)
    subject = change(make_subject(), "m1", listeners=serving)
    network = Network(make_spec(), {("w1", "m1", 6443)})
    result = await _tried(network, subject.facts, "w1")
    assert set(network.open) == {"w1"}
    assert (API, Outcome.SILENT) in result.outcomes
    # Nobody listens at m1's other ports, and at m2's: that says nothing about the network.
    assert {p.target for p, _ in result.outcomes} == {"w1", "m1"}
    assert {p.source for p, _ in result.outcomes if p.target == "w1"} == {"m1", "m2", "m3"}


async def test_a_refusal_where_somebody_else_holds_the_port_says_nothing() -> None:
    """It may be held on another address only."""
    local = (Listener("tcp", "127.0.0.1", 2379, "etcd"),)
    subject = change(make_subject(), "m1", listeners=local)
    result = await _tried(Network(make_spec(), set()), subject.facts, "m3")
    assert {path.target for path, _ in result.outcomes} == {"m3"}


async def test_a_host_without_a_program_to_open_ports_is_named() -> None:
    network = Network(make_spec(), set())
    network.unable = {"w1"}
    result = await _tried(network, make_subject().facts, *make_spec().hosts)
    assert result.untried == ("w1",)
    assert not [path for path, _ in result.outcomes if path.target == "w1"]
    (finding,) = found(replace(make_subject(), tried=result), "traffic")
    assert (finding.host, finding.severity) == ("w1", Severity.INFO)


async def test_vrrp_is_tried_between_balancers_and_told() -> None:
    spec = make_spec(**TWO)
    subject = make_subject(spec)
    network = Network(spec, {("lb2", "lb", 112)})
    result = await _tried(network, subject.facts, *spec.hosts, spec=spec)
    assert {path for path, _ in result.outcomes} == set(needed(spec))
    (finding,) = errors_of(replace(subject, tried=result), "traffic")
    assert (finding.host, finding.evidence) == (
        "lb",
        "no answer on IP protocol 112 (VRRP) from lb2",
    )


async def test_a_balancer_of_the_living_cluster_is_asked_nothing_but_asks_a_new_one() -> None:
    spec = make_spec(**TWO)
    network = Network(spec, {("lb", "lb2", 112)})
    result = await _tried(network, make_subject(spec).facts, "lb2", spec=spec)
    vrrp = {(p.source, p.target): o for p, o in result.outcomes if p.purpose == "VRRP"}
    assert vrrp == {("lb", "lb2"): Outcome.SILENT}


async def test_a_host_that_leaves_one_way_out_is_named() -> None:
    spec = make_spec(**TWO)
    network = Network(spec, set())
    network.left_out = {("lb", "ip")}
    result = await _tried(network, make_subject(spec).facts, *spec.hosts, spec=spec)
    assert result.untried == ("lb",)
    left = set(needed(spec)) - {path for path, _ in result.outcomes}
    assert {(path.source, path.target, path.purpose) for path in left} == {("lb", "lb2", "VRRP")}


def test_what_fails_alike_is_one_finding_with_all_its_ports() -> None:
    kubelet = Port(10250, "tcp")
    outcomes = (
        *((Way(s, "m1", API.port, API.purpose), Outcome.SILENT) for s in ("m2", "w1")),
        *((Way(s, "m1", kubelet, "kubelet"), Outcome.SILENT) for s in ("m2", "w1")),
        (Way("m1", "w1", kubelet, "kubelet"), Outcome.ANSWERED),
    )
    subject = replace(make_subject(), tried=Tried(outcomes))
    (finding,) = errors_of(subject, "traffic")
    assert finding.host == "m1"
    assert finding.evidence == (
        "no answer on TCP 6443 (the API server), TCP 10250 (kubelet) from m2, w1"
    )
    living = change(subject, "m1", marks={"cluster": "demo", "joined": "x"})
    assert [f.severity for f in found(living, "traffic")] == [Severity.WARNING]


def test_the_virtual_address_may_be_nobodys_before_the_cluster_is() -> None:
    subject = make_subject(make_spec(**VIP))
    assert not found(subject, "virtual-address")
    held = Interface("eth1", "02::9", ("10.0.0.100/32",))
    for host in ("lb", "w1"):
        (finding,) = errors_of(change(subject, host, interfaces=(held,)), "virtual-address")
        assert finding.host == host
    living = change(subject, "lb", interfaces=(held,), files=balancing("10.0.0.100"))
    assert not found(living, "virtual-address")
    elsewhere = change(subject, "lb", interfaces=(held,), files=balancing("10.0.0.99"))
    assert errors_of(elsewhere, "virtual-address")
    holders = {IPv4Address("10.0.0.100"): "02:00:00:00:00:99"}
    answered = replace(subject, probes={"lb": ProbeFacts({}, (), holders=holders)})
    (finding,) = errors_of(answered, "virtual-address")
    assert "02:00:00:00:00:99" in finding.evidence


def balancing(*addresses: str, port: int = 6440) -> dict[str, FileFact]:
    """What a living balancer of the cluster has been told."""
    former = [
        {"address": address, "port": port, "vrrp": {"routerId": number}}
        for number, address in enumerate(addresses, 1)
    ]
    spec = make_spec(endpoint={"port": port, "former": former})
    base = make_subject(spec).facts.hosts["lb"].base
    return {
        at.keepalived_config("demo"): file(keepalived.config(spec, "lb", base)),
        at.balancer_config("demo"): file(haproxy.balancer(spec, "lb", base)),
    }


def test_only_a_balancer_asks_for_virtual_addresses_that_none_has_been_told_of() -> None:
    spec = make_spec(**VIP)
    facts = make_subject(spec).facts
    assert probe_query(spec, "lb", facts).vacant == (IPv4Address("10.0.0.100"),)
    assert probe_query(spec, "m1", facts).vacant == ()
    living = change(make_subject(spec), "lb", files=balancing("10.0.0.100")).facts
    assert probe_query(spec, "lb", living).vacant == ()
    # While it moves there: a living cluster's balancers take another one.
    living = change(make_subject(spec), "lb", files=balancing("10.0.0.99")).facts
    assert probe_query(spec, "lb", living).vacant == (IPv4Address("10.0.0.100"),)
    # It cannot be told, as of a file that somebody has edited.
    garbled = {at.keepalived_config("demo"): file("vrrp_instance demo {}")}
    assert not probe_query(spec, "lb", change(make_subject(spec), "lb", files=garbled).facts).vacant


def test_balancers_take_what_they_do_not_answer_at_yet() -> None:
    spec = make_spec(**VIP)
    running = {units.balancer("demo"): UnitFact("loaded", "active", "enabled")}
    living = change(make_subject(spec), "lb", files=balancing("10.0.0.100"), units=running)
    assert taking(spec, living.facts) == ()
    for files in (balancing("10.0.0.99"), balancing("10.0.0.100", port=7443), {}):
        changed = change(living, "lb", files=files).facts
        assert taking(spec, changed) == ("lb",)
    assert taking(spec, make_subject(spec).facts) == ("lb",)


def test_another_clusters_balancer_may_have_the_port_that_the_endpoint_moves_to() -> None:
    held = (Listener("tcp", "*", 6440, "haproxy"), Listener("tcp", "*", 7443, "haproxy"))
    running = {units.balancer("demo"): UnitFact("loaded", "active", "enabled")}
    former = [{"address": "10.0.0.9", "port": 6440}]
    subject = make_subject(make_spec(endpoint={"port": 7443, "former": former}))
    before = change(subject, "lb", listeners=held, units=running, files=balancing("10.0.0.100"))
    [finding] = errors_of(before, "ports")
    assert finding.evidence.startswith("port 7443, for the balancer, is held by haproxy")


def test_where_the_endpoint_was_is_reached_by_all_as_well() -> None:
    former = [{"address": "10.0.0.99", "port": 7443, "vrrp": {"routerId": 51}}]
    endpoint = {"address": "10.0.0.9", "port": 6440, "former": former}
    ways = _ways(make_spec(endpoint=endpoint, hosts=TWO["hosts"]))
    assert {("w1", "lb2", "TCP 6440"), ("w1", "lb2", "TCP 7443")} <= ways
    assert ("lb", "lb2", "IP protocol 112") in ways


@pytest.mark.parametrize(
    ("lines", "holder"),
    [
        ("10.0.0.100 dev eth0 lladdr 02:00:00:00:00:99 STALE", "02:00:00:00:00:99"),
        ("10.0.0.100 dev eth0  INCOMPLETE", ""),
        ("10.0.0.100 dev eth0 lladdr 02:00:00:00:00:99 FAILED", ""),
        ("10.0.0.100 ping", "a ping"),
        (
            "10.0.0.100 ping\n10.0.0.100 dev eth0 lladdr 02:00:00:00:00:99 REACHABLE",
            "02:00:00:00:00:99",
        ),
        ("10.0.0.10 ping\n10.0.0.10 dev eth0 lladdr 02:00:00:00:00:99 REACHABLE", ""),
        ("", ""),
    ],
)
def test_who_has_an_address_is_read_from_the_neighbours(lines: str, holder: str) -> None:
    answer = f"kanae-facts 1 1.5\n#1.5 vacant\n{lines}\n#1.5 end 2.5\n".encode()
    query = ProbeQuery({}, vacant=(IPv4Address("10.0.0.100"),))
    found = parse_probe("lb", query, answer).holders
    assert found == ({IPv4Address("10.0.0.100"): holder} if holder else {})


def test_peers_are_timed_at_the_port_where_their_sshd_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = tmp_path / "ssh_config"
    config.write_text("Host m1\n Port 2222\nHost m2\n HostName 192.0.2.1\n Port 4022\n")
    spec = Spec.model_validate({**SPEC, "ssh": {"config": str(config)}})
    moved = (Listener("tcp", "0.0.0.0", 2222, "sshd"),)
    facts = change(make_subject(spec), "m1", listeners=moved).facts
    assert ssh_port(spec, "m1", facts) == 2222
    # A router forwards 4022 to m2, where sshd listens on 22.
    assert ssh_port(spec, "m2", facts) == 22
    assert ssh_port(spec, "m3", facts) == 22
    assert probe_query(spec, "w1", facts).peers["m1"] == (IPv4Address("10.0.0.11"), 2222)
