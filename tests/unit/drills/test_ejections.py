"""Which lines of balancers' logs count as a server taken out of use."""

from __future__ import annotations

import subprocess

import pytest

from kanae.drills.running.ejections import EJECTED


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("Server api/m1 is DOWN, reason: Layer4 timeout", True),
        ("Server api/m1 is stopping, reason: Layer7 check conditionally passed", True),
        ("Backup Server etcd/m2 is DOWN, reason: Layer4 connection problem", True),
        ("Server ready/m1 is DOWN, reason: Layer7 timeout", False),
        ("Server answering/m1 is DOWN, reason: Layer7 timeout", False),
        ("Server api/m1 is UP, reason: Layer7 check passed", False),
        ("2026/11/26 [warn] upstream server temporarily disabled while connecting", True),
        ("standing still: 10.0.0.12", True),
        ("standing still:", False),
    ],
)
def test_a_server_that_gets_no_connections_counts_and_a_helpers_opinion_does_not(
    line: str, counts: bool
) -> None:
    grep = subprocess.run(["grep", "-E", EJECTED], input=line, text=True, capture_output=True)
    assert (grep.returncode == 0) == counts
