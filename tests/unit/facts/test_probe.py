"""Active probes, run for real on this machine."""

from __future__ import annotations

import socket
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from kanae.errors import FactsError
from kanae.facts.probe import WRITES, ProbeQuery, parse_probe, percentile, probe_script


def _run(query: ProbeQuery) -> bytes:
    return subprocess.run(["/bin/sh", "-c", probe_script(query)], capture_output=True).stdout


def test_synchronous_writes_are_timed_one_by_one_and_leave_nothing(tmp_path: Path) -> None:
    query = ProbeQuery({}, str(tmp_path / "not" / "there"))
    found = parse_probe("here", query, _run(query))
    assert 20 <= len(found.writes) <= WRITES
    assert all(0 < write < 10 for write in found.writes)
    assert list(tmp_path.iterdir()) == []
    assert found.round_trips == {}


def test_round_trips_to_a_listener_are_measured_and_a_silent_peer_has_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        peers = {"near": (IPv4Address("127.0.0.1"), port)}
        found = parse_probe("here", ProbeQuery(peers), _run(ProbeQuery(peers)))
    assert found.round_trips is not None
    assert len(found.round_trips["near"]) == 5
    assert max(found.round_trips["near"]) < 1

    answer = b"kanae-facts 1 1.5\n#1.5 tcp\n10.0.0.1 900\n#1.5 end 2.5\n"
    two = {"a": (IPv4Address("10.0.0.1"), 22), "b": (IPv4Address("10.0.0.2"), 22)}
    assert parse_probe("here", ProbeQuery(two), answer).round_trips == {"a": (0.0009,), "b": ()}


def test_pings_are_read_where_there_is_no_bash() -> None:
    answer = (
        b"kanae-facts 1 1.5\n#1.5 ping\n"
        b"10.0.0.1 64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=0.043 ms\n#1.5 end 2.5\n"
    )
    query = ProbeQuery({"a": (IPv4Address("10.0.0.1"), 22)})
    trips = parse_probe("here", query, answer).round_trips
    assert trips is not None
    assert trips["a"] == pytest.approx((0.000043,))


def test_no_program_to_measure_with_is_told_from_no_answer() -> None:
    query = ProbeQuery({"a": (IPv4Address("10.0.0.1"), 22)})
    answer = b"kanae-facts 1 1.5\n#1.5 end 2.5\n"
    assert parse_probe("here", query, answer).round_trips is None
    with pytest.raises(FactsError):
        parse_probe("here", query, answer[:20])


def test_percentile_is_the_smallest_value_that_covers_the_share() -> None:
    values = tuple(float(n) for n in range(1, 201))
    assert percentile(values, 0.99) == 198
    assert percentile(values, 0.5) == 100
    assert percentile((7.0,), 0.99) == 7.0


@pytest.mark.parametrize(
    ("said", "told"),
    [("works", ""), ("", ""), ("mount: wrong fs type\n", "mount: wrong fs type")],
)
def test_an_overlay_that_cannot_be_mounted_says_why(said: str, told: str) -> None:
    answer = f"kanae-facts 1 1.5\n#1.5 overlay\n{said}\n#1.5 end 2.5\n".encode()
    assert parse_probe("here", ProbeQuery({}, overlay="/x"), answer).overlay == told


def test_trying_an_overlay_leaves_nothing(tmp_path: Path) -> None:
    query = ProbeQuery({}, overlay=str(tmp_path / "not" / "there"))
    parse_probe("here", query, _run(query))
    assert list(tmp_path.iterdir()) == []
