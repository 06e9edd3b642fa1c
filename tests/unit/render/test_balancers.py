from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import replace

import pytest

from kanae.layout import units
from kanae.layout.family import Need
from kanae.render import api_server, haproxy, keepalived, nginx, watch
from kanae.spec.models import Role, Spec

from ...model.fixtures import base_of, example
from .cases import V1, V2, small, spec_of

FIVE_MASTERS = """
name: five
kubernetes: v1.37.2
hosts:
  lb: {address: 10.0.0.9, roles: [load-balancer]}
  m1: {address: 10.0.0.11, roles: [control-plane, etcd]}
  m2: {address: 10.0.0.12, roles: [control-plane]}
  m3: {address: 10.0.0.13, roles: [control-plane]}
  m4: {address: 10.0.0.14, roles: [control-plane]}
  m5: {address: 10.0.0.15, roles: [control-plane]}
  e2: {address: 10.0.0.16, roles: [etcd]}
  e3: {address: 10.0.0.17, roles: [etcd]}
"""


def servers(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("    server ")]


def virtual(**fields: object) -> Spec:
    return small(
        loadBalancer={"virtualAddress": {"address": "10.0.0.100", **fields}},
        hosts={
            "lb1": {"address": "10.0.0.8", "roles": ["load-balancer"]},
            "lb2": {"address": "10.0.0.9", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.10", "roles": ["control-plane"]},
        },
    )


def test_every_master_is_behind_the_balancer() -> None:
    spec = example("reference")
    everyone = ["server1", "server2", "server3"]
    assert servers(haproxy.balancer(spec, "lb", V2)) == everyone * 3, "api, ready, answering"
    for name in spec.having(Role.CONTROL_PLANE):
        assert f"server {spec.hosts[name].address}:6443 " in nginx.config(spec, V2)


def test_health_checks_are_as_the_spec_says() -> None:
    check = {"interval": "1s", "fastInterval": "100ms", "fall": 4, "rise": 5}
    text = haproxy.balancer(small(loadBalancer={"check": check}), "lb", V2)
    assert "inter 1000ms fastinter 100ms fall 4 rise 5" in text
    _, _, readiness = text.partition("backend ready")
    assert "timeout check" not in readiness, "its handshake would have timeout connect only"


@pytest.mark.parametrize(
    ("timeout", "in_haproxy", "in_nginx"), [(None, "150ms", "300ms"), ("1.5s", "1500ms", "1500ms")]
)
def test_connect_timeout_is_the_specs_or_the_one_measured_best_by_kind(
    timeout: str | None, in_haproxy: str, in_nginx: str
) -> None:
    spec = small(loadBalancer={"connectTimeout": timeout})
    assert f"timeout connect {in_haproxy}\n" in haproxy.balancer(spec, "lb", V2)
    assert f"proxy_connect_timeout {in_nginx};" in nginx.config(spec, V2)


def test_no_more_connections_than_open_files_allow() -> None:
    for limit in (1024, 20000, 1048576):
        text = haproxy.balancer(small(), "lb", replace(V1, hard_nofile=limit))
        most, of_clients = map(int, re.findall(r"maxconn (\d+)", text))
        assert 2 * most < limit
        assert 0 < of_clients < most, "haproxy's checks ask haproxy, whatever clients do"
        unit = haproxy.balancer_unit(small(), replace(V1, hard_nofile=limit))
        [files] = re.findall(r"LimitNOFILE=(\d+)", unit)
        assert int(files) <= limit


def test_two_clusters_on_one_balancer_share_nothing_but_the_host() -> None:
    spec_a, spec_b = example("two-clusters-a"), example("two-clusters-b")
    a, b = haproxy.balancer(spec_a, "lb", V2), haproxy.balancer(spec_b, "lb", V2)
    for pattern in (r"bind (:\S+)", r"bind (unix\S+)", r"stats socket (\S+)"):
        assert re.findall(pattern, a) != re.findall(pattern, b)
    unit_a, unit_b = haproxy.balancer_unit(spec_a, V2), haproxy.balancer_unit(spec_b, V2)
    assert re.findall(r"-f (\S+)", unit_a) != re.findall(r"-f (\S+)", unit_b)
    assert re.findall(r"-p (\S+)", unit_a) != re.findall(r"-p (\S+)", unit_b)


@pytest.mark.parametrize("name", ["reference", "dedicated-etcd"])
def test_every_api_server_prefers_another_etcd_member(name: str) -> None:
    spec = example(name)
    order = haproxy.preferred_members(spec)
    assert len({members[0] for members in order.values()}) == 3
    for members in order.values():
        assert sorted(members) == sorted(spec.having(Role.ETCD))


def test_a_master_with_a_member_of_its_own_prefers_it() -> None:
    order = haproxy.preferred_members(example("reference"))
    masters = ("server1", "server2", "server3")
    assert {host: members[0] for host, members in order.items()} == {m: m for m in masters}


def test_masters_spread_over_members_that_others_use_least() -> None:
    order = haproxy.preferred_members(spec_of(FIVE_MASTERS))
    assert order["m1"][0] == "m1"
    assert max(Counter(members[0] for members in order.values()).values()) == 2


def test_only_the_preferred_member_is_no_backup() -> None:
    lines = [
        line
        for line in haproxy.etcd_balancer(example("dedicated-etcd"), "master3").splitlines()
        if line.startswith("    server ")
    ]
    assert [line.endswith(" backup") for line in lines] == [False, True, True]


def test_a_lone_api_server_is_never_put_aside_by_nginx() -> None:
    assert "max_fails=0" in nginx.config(example("two-clusters-a"), V2)
    assert "max_fails=1" in nginx.config(example("reference"), V2)


def test_gate_closes_the_port_to_every_balancer_and_to_nobody_else() -> None:
    script = nginx.gate_script(virtual(), "m1")
    assert "elements = { 10.0.0.8, 10.0.0.9, 10.0.0.100 }" in script
    assert "ip saddr @balancers tcp dport @closed" in script


def test_gate_asks_all_other_api_servers_and_not_its_own() -> None:
    spec = example("reference")
    _, *others = (str(spec.hosts[name].address) for name in spec.having(Role.CONTROL_PLANE))
    host = spec.having(Role.CONTROL_PLANE)[0]
    assert f"others='{' '.join(others)}'\n" in nginx.gate_script(spec, host)


@pytest.mark.parametrize("spec", [virtual(), example("single")], ids=["balancers", "none"])
def test_gate_script_is_posix_sh(spec: Spec) -> None:
    script = nginx.gate_script(spec, next(iter(spec.having(Role.CONTROL_PLANE))))
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_watch_asks_all_api_servers_and_resets_nothing_but_what_nginx_sends_them() -> None:
    spec = example("reference")
    script = watch.script(spec, V2)
    addresses = [str(spec.hosts[name].address) for name in spec.having(Role.CONTROL_PLANE)]
    assert f"masters='{' '.join(addresses)}'\n" in script
    user = V2.family.supplies[Need.NGINX].user
    assert f"meta skuid {user} ip daddr @still tcp dport 6443 " in script
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_watches_of_two_clusters_on_one_balancer_share_nothing_but_the_host() -> None:
    a, b = example("two-clusters-a"), example("two-clusters-b")
    tables = [re.findall("table='(.*)'", watch.script(spec, V2)) for spec in (a, b)]
    assert tables[0] != tables[1]
    assert units.watch(a.name) != units.watch(b.name)


def test_the_questions_end_before_an_element_that_is_to_be_renewed() -> None:
    script = watch.script(example("reference"), V2)
    [patience], [pause] = (re.findall(rf"{name} ([0-9.]+)", script) for name in ("time", "sleep"))
    lasting = {int(seconds) for seconds in re.findall(r"timeout (\d+)s", script)}
    assert 2 * (float(patience) + float(pause)) < min(lasting)


def test_priorities_of_virtual_address_fall_in_the_specs_order_and_stay_high() -> None:
    spec = virtual()
    assert keepalived.priority(spec, "lb1") > keepalived.priority(spec, "lb2") >= 200


def test_virtual_address_sits_on_the_interface_of_the_hosts_address() -> None:
    spec = virtual()
    text = keepalived.config(spec, "lb2", base_of(spec, "lb2", V2))
    assert "interface eth1\n" in text
    assert "10.0.0.100/32 dev eth1\n" in text
    assert "unicast_peer {\n        10.0.0.8\n    }" in text
    said = virtual(interface="bond0", advertisementInterval=1, routerId=7)
    text = keepalived.config(said, "lb2", base_of(said, "lb2", V2))
    assert "interface bond0\n" in text
    assert "advert_int 1\n" in text
    assert "virtual_router_id 7\n" in text


def test_a_balancer_without_peers_listens_to_nobody() -> None:
    """Without a unicast_peer it would listen to multicast."""
    spec = small(
        loadBalancer={"virtualAddress": {"address": "10.0.0.100"}},
        hosts={
            "lb": {"address": "10.0.0.8", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.10", "roles": ["control-plane"]},
        },
    )
    text = keepalived.config(spec, "lb", base_of(spec, "lb", V2))
    assert "unicast_peer {\n        127.0.0.1\n    }" in text


def moving() -> Spec:
    """From 10.0.0.99:6440 to 10.0.0.100:7443."""
    old = {"address": "10.0.0.99", "port": 6440, "vrrp": {"routerId": 52, "interface": "eth7"}}
    spec = virtual()
    endpoint = spec.endpoint.model_validate({"port": 7443, "former": [old]})
    return spec.model_copy(update={"endpoint": endpoint})


def test_balancers_answer_at_former_ports_too() -> None:
    spec = moving()
    text = haproxy.balancer(spec, "lb1", V2)
    assert re.findall(r"bind (:\d+)", text) == [":7443", ":6440"]
    assert re.findall(r"listen (\d+)", nginx.config(spec, V2)) == ["7443", "6440"]
    assert haproxy.bound(text) == nginx.bound(nginx.config(spec, V2)) == {6440, 7443}
    assert haproxy.bound("") == nginx.bound("") == frozenset()


def test_a_former_address_has_an_instance_and_a_router_of_its_own() -> None:
    spec = moving()
    text = keepalived.config(spec, "lb1", base_of(spec, "lb1", V2))
    assert re.findall(r"vrrp_instance (\S+) ", text) == ["small", "small-52"]
    assert re.findall(r"virtual_router_id (\d+)", text) == ["51", "52"]
    assert text.count("10.0.0.99/32 dev eth7\n") == 1
    told = {(str(e.address), e.router_id, e.interface) for e in keepalived.held(text)}
    assert told == {("10.0.0.100", 51, "eth1"), ("10.0.0.99", 52, "eth7")}


@pytest.mark.parametrize("text", ["", "vrrp_instance x {\n}\n", "virtual_ipaddress {\n"])
def test_what_keepalived_has_is_not_guessed(text: str) -> None:
    assert keepalived.held(text) == ()
    spec = virtual()
    edited = keepalived.config(spec, "lb1", V2).replace("10.0.0.100/32", "10.0.0.300/32")
    assert keepalived.held(edited) == ()


def test_certificates_and_the_gate_keep_a_former_address() -> None:
    assert "10.0.0.99" in api_server.certificate_sans(moving())
    assert "elements = { 10.0.0.8, 10.0.0.9, 10.0.0.100, 10.0.0.99 }" in nginx.gate_script(
        moving(), "m1"
    )


def test_without_a_virtual_address_there_is_no_keepalived() -> None:
    with pytest.raises(ValueError, match="no virtual address"):
        keepalived.config(small(), "lb", V2)
