from __future__ import annotations

import re
import subprocess

from kanae.layout import ports
from kanae.render import tickle
from kanae.spec.models import Spec

from ...model.fixtures import example
from .cases import V2, small


def moving() -> Spec:
    """From 10.0.0.99:6440 to 10.0.0.100:7443, before two balancers."""
    old = {"address": "10.0.0.99", "port": 6440, "vrrp": {"routerId": 52}}
    return small(
        endpoint={"port": 7443, "former": [old]},
        loadBalancer={"virtualAddress": {"address": "10.0.0.100", "routerId": 7}},
        hosts={
            "lb1": {"address": "10.0.0.8", "roles": ["load-balancer"]},
            "lb2": {"address": "10.0.0.9", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.10", "roles": ["control-plane"]},
        },
    )


def test_a_balancer_knows_its_peers_and_all_addresses_and_ports_that_clients_use() -> None:
    assert tickle.arguments(moving(), "lb1") == (
        "own=10.0.0.8",
        "port=7443",
        "port=6440",
        "peer=10.0.0.9",
        "virtual=10.0.0.100:11207",
        "virtual=10.0.0.99:11252",
    )


def test_each_address_has_a_port_of_its_own_that_is_no_other_programs() -> None:
    told = [ports.tickle(router_id) for router_id in range(1, 256)]
    assert (told[0], told[-1]) == (11201, 11455)
    known = {**ports.OF_NODE, **ports.OF_CONTROL_PLANE, **ports.OF_ETCD}
    assert not set(told) & (known.keys() | set(ports.NODE_PORTS))


def test_the_program_is_perl_and_needs_no_more_than_what_hosts_have() -> None:
    text = tickle.program()
    done = subprocess.run(["perl", "-c"], input=text, text=True, capture_output=True, check=True)
    assert done.stderr == "- syntax OK\n"
    modules = set(re.findall(r"^use (\w+)", text, re.MULTILINE))
    assert modules == {"strict", "warnings", "Socket"}
    assert "require" not in text
    assert text.startswith("#!/usr/bin/perl\n# Managed by kanae;")


def test_its_unit_gives_it_one_privilege_and_tells_it_all() -> None:
    spec = example("vip")
    text = tickle.unit(spec, "lb1", V2)
    rights = re.findall(r"^(?:Ambient|Bounding|Capability)\w*=(.*)$", text, re.MULTILINE)
    assert rights == ["CAP_NET_RAW", "CAP_NET_RAW"]
    assert "DynamicUser=yes\n" in text
    [command] = re.findall(r"^ExecStart=((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert tuple(command.replace("\\\n", "").split()) == (
        "/usr/bin/perl",
        "/etc/kanae/tickle-vip.pl",
        *tickle.arguments(spec, "lb1"),
    )
