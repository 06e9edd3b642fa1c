"""Opening ports and trying them, run for real on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address

import pytest

from kanae.errors import FactsError
from kanae.facts.ports import (
    Outcome,
    Port,
    close_script,
    open_script,
    parse_opened,
    parse_tried,
    try_script,
)

HERE = IPv4Address("127.0.0.1")
_LOOP = "for python in python3 /usr/libexec/platform-python"
_NONE = "for python in no-python"


def _run(script: str) -> bytes:
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout


def _free(kind: socket.SocketKind) -> int:
    with closing(socket.socket(socket.AF_INET, kind)) as held:
        held.bind(("0.0.0.0", 0))
        return held.getsockname()[1]


@pytest.fixture
def three() -> Iterator[tuple[Port, Port, Port]]:
    """Two that are free, one of them of UDP, and one that is held by somebody who listens."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield (
            Port(_free(socket.SOCK_STREAM), "tcp"),
            Port(_free(socket.SOCK_DGRAM), "udp"),
            Port(server.getsockname()[1], "tcp"),
        )


@pytest.mark.parametrize("program", ["python", "perl"])
def test_free_ports_are_opened_tried_and_closed_again(
    program: str, three: tuple[Port, Port, Port]
) -> None:
    if shutil.which("perl") is None and program == "perl":
        pytest.skip("no perl")
    script = open_script(three)
    assert _LOOP in script
    if program == "perl":
        script = script.replace(_LOOP, _NONE)
    opened = parse_opened("here", _run(script))
    ways = [(HERE, port) for port in three]
    try:
        assert opened.ports == set(three[:2])
        tried = parse_tried("here", _run(try_script(ways)))
        assert tried == {(str(HERE), port): Outcome.ANSWERED for port in three}
    finally:
        _run(close_script(opened.process))
    after = parse_tried("here", _run(try_script(ways)))
    assert after is not None
    assert [after[str(HERE), port] for port in three] == [
        Outcome.REFUSED, Outcome.REFUSED, Outcome.ANSWERED,
    ]  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for raw sockets")
@pytest.mark.parametrize("program", ["python", "perl"])
def test_a_protocol_of_ip_is_opened_and_tried_as_ports_are(program: str) -> None:
    """253 is for experiments (RFC 3692): no other process answers for it."""
    if shutil.which("perl") is None and program == "perl":
        pytest.skip("no perl")
    way = (HERE, Port(253, "ip"))
    scripts = [open_script([way[1]]), try_script([way])]
    assert all(_LOOP in script for script in scripts)
    if program == "perl":
        scripts = [script.replace(_LOOP, _NONE) for script in scripts]
    opened = parse_opened("here", _run(scripts[0]))
    try:
        assert opened.ports == {way[1]}
        assert parse_tried("here", _run(scripts[1])) == {(str(HERE), way[1]): Outcome.ANSWERED}
    finally:
        _run(close_script(opened.process))


def test_a_protocol_of_ip_is_not_said_to_be_a_port() -> None:
    assert str(Port(112, "ip")) == "IP protocol 112"
    assert str(Port(8472, "udp")) == "UDP 8472"


def test_only_the_process_that_opened_ports_is_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        _run(close_script(str(other.pid)))
        assert other.poll() is None
        other.kill()
    with pytest.raises(ValueError, match="not a process"):
        close_script("1; reboot")


def test_no_program_to_open_or_to_try_with_is_told_from_closed_ports() -> None:
    bare = b"kanae-facts 1 1.5\n#1.5 end 2.5\n"
    assert parse_opened("h", bare).ports is None
    assert parse_tried("h", bare) is None
    for parse in (parse_opened, parse_tried):
        with pytest.raises(FactsError):
            parse("h", bare[:20])


def test_each_ending_of_a_try_is_read() -> None:
    said = "\n".join(f"tcp 10.0.0.{n} 6443 {outcome.value}" for n, outcome in enumerate(Outcome))
    answer = f"kanae-facts 1 1.5\n#1.5 tried\n{said}\nnonsense\n#1.5 end 2.5\n".encode()
    tried = parse_tried("h", answer)
    assert tried == {
        (f"10.0.0.{n}", Port(6443, "tcp")): outcome for n, outcome in enumerate(Outcome)
    }
