"""A stacked member of etcd leaves the cluster before its host is cleared, or nothing is cleared."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanae.execute.scripts import clear

from .shell_host import ShellHost

PEER = "https://10.0.0.1:2380"
LISTED = (
    "8e9e05c52164694d, started, m11, https://10.0.0.11:2380, https://10.0.0.11:2379, false\n"
    f"91bc3c398fb3c146, started, m1, {PEER}, https://10.0.0.1:2379, false\n"
)


@pytest.fixture
def host(tmp_path: Path) -> ShellHost:
    return ShellHost("m2", tmp_path)


def etcd(host: ShellHost, listed: str, status: int = 0) -> Path:
    """Returns what members it was told to remove, one a line."""
    removed = host.folder / "removed"
    (host.folder / "listed").write_text(listed)
    host.program(
        "etcdctl",
        f'case "$*" in *list) cat {host.folder}/listed; exit {status} ;;\n'
        f'*"member remove"*) for id; do :; done; echo "$id" >>{removed} ;; esac\n',
    )
    return removed


async def test_the_member_with_this_address_is_removed(host: ShellHost) -> None:
    removed = etcd(host, LISTED)
    assert (await host.run(clear.member(PEER))).status == 0
    assert removed.read_text() == "91bc3c398fb3c146\n"


async def test_one_that_has_left_already_need_not_leave(host: ShellHost) -> None:
    removed = etcd(host, LISTED.splitlines(keepends=True)[0])
    assert (await host.run(clear.member(PEER))).status == 0
    assert not removed.exists()


async def test_when_etcd_does_not_answer_nothing_is_known_of_the_member(host: ShellHost) -> None:
    """To go on would take its data from a member that the cluster still counts on."""
    etcd(host, "", status=1)
    assert (await host.run(clear.member(PEER))).status != 0
