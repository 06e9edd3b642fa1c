"""Clusters remember their hosts, and are told apart by more than their name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from kanae.errors import Refused
from kanae.execute.actions import authorities
from kanae.facts.model import Facts
from kanae.layout import marks, units
from kanae.plan.certificates import AUTHORITIES
from kanae.plan.membership import KnownHost, identity_mark, known, leaving, roster
from kanae.spec.models import Role, Spec

from .fixtures import EXAMPLES, Desk, document_of, example
from .settled import unsettled
from .simulator import Moments, Simulator
from .world import World


def other_cluster(document: dict[str, Any]) -> World:
    """Built by itself, with keys of its own (conftest.py deals them out in turn)."""
    for name in AUTHORITIES:
        authorities.make_authority(name)
    sim = Simulator(World.bare(Desk.of(Spec.model_validate(document))))
    sim.converge()
    return sim.world


def edit(sim: Simulator, change: Callable[[dict[str, Any]], object]) -> Spec:
    document = document_of(sim.world.spec.name)
    change(document)
    spec = Spec.model_validate(document)
    sim.world.edit(spec)
    return spec


def facts(sim: Simulator) -> Facts:
    return sim.world.facts()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_cluster_remembers_its_hosts_and_which_one_it_is(
    built: Callable[[str], Simulator], name: str
) -> None:
    sim = built(name)
    spec = sim.world.spec
    remembered = known(spec, facts(sim))
    assert {host.name: host.address for host in remembered.hosts.values()} == {
        host: str(each.address) for host, each in spec.hosts.items()
    }
    assert re.fullmatch("[0-9a-f]{32}", remembered.identity)
    for host in spec.hosts:
        recorded = facts(sim).hosts[host].marks[identity_mark(spec, host)]
        assert recorded == remembered.identity


def _unnamed(name: str) -> list[tuple[str, str]]:
    return [(name, host) for host in example(name).hosts]


@pytest.mark.parametrize(
    ("name", "host"), [*_unnamed("vip"), *_unnamed("reference"), *_unnamed("dedicated-etcd")]
)
def test_a_host_of_any_role_that_leaves_the_spec_is_known_and_leaves(
    built: Callable[[str], Simulator], name: str, host: str
) -> None:
    sim = built(name)
    before = sim.world.spec
    for role in (Role.CONTROL_PLANE, Role.ETCD):
        if before.having(role) == (host,):
            pytest.fail("the example has only one")

    def change(document: dict[str, Any]) -> None:
        del document["hosts"][host]
        if before.having(Role.LOAD_BALANCER) == (host,):
            address = str(before.hosts[host].address)
            document["endpoint"] = {"port": before.endpoint.port, "address": address}

    spec = edit(sim, change)
    assert [each.name for each in leaving(spec, known(spec, facts(sim)))] == [host]
    assert host in roster(spec, leaving(spec, known(spec, facts(sim))))
    if str(before.hosts[host].address) == before.endpoint_host:
        with pytest.raises(Refused, match=f"{host} has the address of the endpoint"):
            sim.plan()
    else:
        assert sim.plan().removes == (host,)


@pytest.mark.parametrize(
    ("host", "fields", "words"),
    [
        ("server4", {"address": "10.77.1.99"}, "the address of server4 cannot be changed"),
        ("server1", {"address": "10.77.1.99"}, "the address of server1 cannot be changed"),
        ("server4", {"roles": ["client"]}, "server4 is worker in the cluster"),
        ("server5", {"roles": ["load-balancer"]}, "server5 is client in the cluster"),
        ("server4", {"roles": ["control-plane", "worker"]}, "server4 has joined as a worker"),
    ],
)
@pytest.mark.parametrize("api", ["answers", "is down"])
def test_a_host_that_is_to_be_another_is_refused_whether_or_not_the_api_answers(
    built: Callable[[str], Simulator], host: str, fields: dict[str, Any], words: str, api: str
) -> None:
    sim = built("reference")
    if api == "is down":
        for name in sim.world.spec.having(Role.ETCD):
            sim.world.hosts[name].stop(units.ETCD)
    edit(sim, lambda document: document["hosts"][host].update(fields))
    with pytest.raises(Refused, match=re.escape(words)):
        sim.plan()


def test_one_control_plane_host_that_lives_is_enough_to_know_all(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    for host in ("master1", "master3"):
        sim.world.hosts[host].power_cut()
    spec = edit(sim, lambda document: document["hosts"].pop("lb2"))
    [gone] = leaving(spec, known(spec, facts(sim)))
    assert gone == KnownHost("lb2", "10.77.2.9", ("load-balancer",))


def test_a_list_that_lost_a_part_is_written_again_and_the_others_fill_the_gap(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    for host, text in {"server1": "[{", "server2": '[1, {"name": 3}]', "server3": "{}"}.items():
        sim.world.hosts[host].mark(marks.HOSTS, text)
        assert host in {step.host for step in sim.plan()}
        sim.converge()
        assert len(json.loads(sim.world.hosts[host].text(marks.path(marks.HOSTS)))) == 6


@pytest.mark.parametrize("name", ["w$(reboot)", "w1\n", "../w1", "\x1b[2J", "W1", "w" * 64, ""])
def test_what_no_spec_could_name_is_on_no_list(
    built: Callable[[str], Simulator], name: str
) -> None:
    """A list is read from a host, and its names go into commands and onto terminals."""
    sim = built("vip")
    host = KnownHost(name, "10.77.2.99", ("worker",))
    sim.world.hosts["master1"].mark(marks.HOSTS, json.dumps([asdict(host)]))
    assert set(known(sim.world.spec, facts(sim)).hosts) == set(sim.world.spec.hosts)


def test_settings_of_ssh_are_remembered_as_they_were_said(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    ssh = {"user": "ops", "port": 2222, "jump": "gate:22", "sudo": "passwordless"}
    edit(sim, lambda document: document["hosts"]["server4"].update(ssh=ssh))
    sim.converge()
    text = sim.world.hosts["server1"].text(marks.path(marks.HOSTS))
    [server4] = [each for each in json.loads(text) if each["name"] == "server4"]
    assert server4["ssh"] == ssh


def _other_of_the_same_name() -> dict[str, Any]:
    """Other masters, the first cluster's worker and balancer."""
    document = document_of("reference")
    for number, name in enumerate(("server1", "server2", "server3"), 1):
        document["hosts"][f"m{number}"] = document["hosts"].pop(name) | {
            "address": f"10.77.1.3{number}"
        }
    return document


@pytest.mark.parametrize("theirs", ["is bare", "is built"])
@pytest.mark.parametrize("verb", ["plan", "reset"])
def test_another_spec_of_the_same_name_neither_builds_upon_the_first_nor_resets_it(
    built: Callable[[str], Simulator], theirs: str, verb: str
) -> None:
    first = built("reference").world
    document = _other_of_the_same_name()
    if theirs == "is built":
        for name, host in other_cluster(document).hosts.items():
            if name.startswith("m"):
                first.hosts[name] = host
    sim = Simulator(first)
    sim.world.edit(Spec.model_validate(document))
    make = {"plan": sim.plan, "reset": sim.reset_plan}[verb]
    with pytest.raises(Refused, match="belongs to another cluster called 'reference'"):
        make()


def test_hosts_of_two_clusters_of_one_name_as_control_planes_are_refused(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    sim.world.hosts["server2"] = other_cluster(document_of("reference")).hosts["server2"]
    for make in (sim.plan, sim.reset_plan):
        with pytest.raises(Refused, match="server1 and server2 belong to different clusters"):
            make()


def test_a_cluster_that_was_built_before_there_were_records_gets_them(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    spec = sim.world.spec
    identity = known(spec, facts(sim)).identity
    for host, here in sim.world.hosts.items():
        here.remove(marks.path(identity_mark(spec, host)))
        here.remove(marks.path(marks.HOSTS))
    assert known(spec, facts(sim)).hosts == {}
    sim.converge()
    assert known(spec, facts(sim)).identity == identity
    assert set(known(spec, facts(sim)).hosts) == set(spec.hosts)


def test_hosts_whose_control_plane_is_gone_are_reset_only_when_the_cluster_is_named(
    built: Callable[[str], Simulator],
) -> None:
    """As after a reset that went on without a worker that could not be reached."""
    sim = built("reference")
    sim.world.resetting = True
    identity = known(sim.world.spec, facts(sim)).identity
    sim.world.hosts["server4"].power_cut()
    result = sim.carry_out(sim.reset_plan())
    assert result is not None
    assert result.ok
    sim.world.hosts["server4"].powered = True
    with pytest.raises(Refused, match=rf"server4 belongs to another .* \({identity}\)"):
        sim.reset_plan()
    assert {step.host for step in sim.reset_plan(identity=identity)} == {"server4"}


@pytest.mark.parametrize("name", ["reference", "vip"])
def test_killed_at_any_record_the_identity_is_one_and_no_host_is_taken_for_a_stranger(
    name: str,
) -> None:
    sim = Simulator(World.bare(Desk.of(example(name))))
    taken: list[World] = []
    result = sim.apply(
        Moments(seen=lambda what: taken.append(sim.world.copy()) if what == "record" else None)
    )
    assert result is not None
    assert result.ok
    assert len(taken) > 7
    for world in taken[::7]:
        again = Simulator(world)
        again.converge()
        assert unsettled(world) == []
        spec = world.spec
        remembered = known(spec, facts(again)).identity
        kept = {each.marks[identity_mark(spec, host)] for host, each in facts(again).hosts.items()}
        assert kept == {remembered}
