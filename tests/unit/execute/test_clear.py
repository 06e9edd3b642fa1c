"""A stacked member of etcd leaves the cluster before its host is cleared, or nothing is cleared."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanae.errors import StepTimedOut
from kanae.execute.actions.membership import leave

from .shell_host import ShellHost

PEER = "https://10.0.0.1:2380"
LISTED = (
    '{"header":{},"members":[{"ID":10276657743932975437,"name":"m11",'
    '"peerURLs":["https://10.0.0.11:2380"],"clientURLs":["https://10.0.0.11:2379"]},'
    '{"ID":10501334649042878790,"name":"m1","peerURLs":["%s"]}]}\n'
)


@pytest.fixture
def host(tmp_path: Path) -> ShellHost:
    return ShellHost("m2", tmp_path)


def etcd(host: ShellHost, listed: str, status: int = 0) -> Path:
    """Returns what members it was told to remove, one a line."""
    removed = host.folder / "removed"
    host.folder.mkdir(exist_ok=True)
    (host.folder / "listed").write_text(listed)
    host.program(
        "etcdctl",
        f'case "$*" in *list) cat {host.folder}/listed; exit {status} ;;\n'
        f'*"member remove"*) for id; do :; done; echo "$id" >>{removed} ;; esac\n',
    )
    return removed


async def test_the_member_with_this_address_is_removed(host: ShellHost) -> None:
    removed = etcd(host, LISTED % PEER)
    await leave(host, PEER, 30)
    assert removed.read_text() == "91bc3c398fb3c146\n"


async def test_one_that_has_left_already_need_not_leave(host: ShellHost) -> None:
    removed = etcd(host, LISTED % "https://10.0.0.10:2380")
    await leave(host, PEER, 30)
    assert not removed.exists()


async def test_when_etcd_does_not_answer_nothing_is_known_of_the_member(host: ShellHost) -> None:
    """To go on would take its data from a member that the cluster still counts on."""
    removed = etcd(host, "", status=1)
    with pytest.raises(StepTimedOut, match="etcdctl member list"):
        await leave(host, PEER, 0.5)
    assert not removed.exists()
