"""What hosts run while one of them hands its clients over, as far as it can be told by its text."""

from __future__ import annotations

import re
import subprocess
from ipaddress import IPv4Address

import pytest

from kanae.layout import units
from kanae.render import handover
from kanae.render.handover import Moving

from .cases import V2

OWN = IPv4Address("10.0.0.9")
MOVING = (Moving(IPv4Address("10.0.0.99"), "eth0"), Moving(IPv4Address("10.0.0.100"), "eth1"))
SCRIPTS = {
    "keep": handover.keep_script("it", OWN, MOVING),
    "pass-on": handover.pass_script("it", OWN, MOVING, (6440, 7443), 300),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_shell_understands_the_scripts(name: str) -> None:
    done = subprocess.run(["sh", "-n"], input=SCRIPTS[name], text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_program_is_perl_and_needs_no_more_than_what_hosts_have() -> None:
    text = handover.program()
    done = subprocess.run(["perl", "-c"], input=text, text=True, capture_output=True, check=True)
    assert done.stderr == "- syntax OK\n"
    assert set(re.findall(r"^use (\w+)", text, re.MULTILINE)) == {"strict", "warnings", "Socket"}
    assert "require" not in text
    assert text.startswith("#!/usr/bin/perl\n# Managed by kanae;")


def test_one_that_is_silent_about_an_address_has_its_keepalived_end_whatever_fails_before() -> None:
    """Else nobody would be told who has it."""
    keep = SCRIPTS["keep"].partition("keep() {")[2]
    assert "set -e" not in SCRIPTS["keep"]
    assert keep.index("table arp") < keep.index(f"systemctl stop {units.keepalived('it')}")
    assert not re.search(r"\b(exit|return|exec)\b", keep)


def test_packets_are_passed_on_for_longer_than_clients_are_waited_for() -> None:
    [seconds] = set(re.findall(r"timeout (\d+)s", SCRIPTS["pass-on"]))
    unit = handover.keep_unit("it", V2, MOVING, (6440,), 300)
    assert "most=300" in unit
    assert int(seconds) > 300


def test_each_address_is_passed_on_where_it_is_and_nothing_else() -> None:
    text = SCRIPTS["pass-on"]
    assert re.findall(r'ingress device "(\w+)"', text) == ["eth0", "eth1"]
    assert text.count("ip daddr @passed tcp dport { 6440, 7443 } goto") == 2
    assert re.findall(r'fwd ip to (\S+) device "(\w+)"', text) == [
        ("10.0.0.9", "eth0"),
        ("10.0.0.9", "eth1"),
    ]
