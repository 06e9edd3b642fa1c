"""Each row of the table of families is whole, and every distribution finds its row."""

from __future__ import annotations

import subprocess

import pytest

from kanae.layout import families
from kanae.layout.families import DEBIAN, FAMILIES, RHEL, UBUNTU, UNKNOWN
from kanae.layout.family import PROGRAMS, Family, Need

# Needs that kanae's files name by path, and so every family must.
NAMED = {
    Need.NFTABLES, Need.HAPROXY, Need.NGINX, Need.NGINX_STREAM, Need.KEEPALIVED, Need.PROCPS,
    Need.PERL,
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_fills_every_need_or_says_why_not(family: Family) -> None:
    assert set(family.supplies) == set(Need)
    for need, supply in family.supplies.items():
        assert bool(supply.package) is not bool(supply.why), need
    for need in NAMED:
        assert family.path(need).startswith("/")
    assert family.supplies[Need.NGINX].user
    assert family.python
    assert family.runtimes
    assert family.firewalls


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_familys_commands_are_posix_sh_and_of_a_manager_that_hosts_are_asked_for(
    family: Family,
) -> None:
    manager = family.manager
    assert manager is not None
    assert manager.program in {each.program for each in families.MANAGERS}
    assert manager.query in {each.query for each in families.MANAGERS}
    for command in (manager.install, manager.refresh, manager.query):
        subprocess.run(["sh", "-n"], input=command, text=True, check=True)


def test_the_debian_family_has_been_tried_and_no_other() -> None:
    assert {family.name for family in FAMILIES if family.tried} == {"debian"}


def test_an_unknown_family_names_no_package_and_no_place_of_a_balancer() -> None:
    assert UNKNOWN.manager is None
    assert all(supply.package is None and supply.why for supply in UNKNOWN.supplies.values())
    for need in NAMED - {Need.NFTABLES}:
        with pytest.raises(LookupError, match="does not say where"):
            UNKNOWN.path(need)


@pytest.mark.parametrize(
    ("os_id", "os_like", "family"),
    [
        ("debian", (), DEBIAN),
        ("raspbian", ("debian",), DEBIAN),
        ("ubuntu", ("debian",), UBUNTU),
        ("linuxmint", ("ubuntu", "debian"), UBUNTU),
        ("fedora", (), RHEL),
        ("rhel", ("fedora",), RHEL),
        ("rocky", ("rhel", "centos", "fedora"), RHEL),
        ("almalinux", ("rhel", "centos", "fedora"), RHEL),
        ("centos", ("rhel", "fedora"), RHEL),
        ("ol", ("fedora",), RHEL),
        ("arch", (), UNKNOWN),
        ("opensuse-leap", ("suse", "opensuse"), UNKNOWN),
        ("", (), UNKNOWN),
    ],
)
def test_a_distribution_belongs_to_the_family_of_its_id_or_its_nearest_kin(
    os_id: str, os_like: tuple[str, ...], family: Family
) -> None:
    assert families.of(os_id, os_like) is family


def test_a_row_for_an_id_is_only_one() -> None:
    ids = [each for family in FAMILIES for each in family.ids]
    assert len(ids) == len(set(ids))


def test_every_need_but_libraries_has_its_program() -> None:
    assert set(Need) - set(PROGRAMS) == {Need.NGINX_STREAM, Need.PERL_SOCKET}
    assert (PROGRAMS[Need.NFTABLES], PROGRAMS[Need.PROCPS]) == ("nft", "pgrep")
