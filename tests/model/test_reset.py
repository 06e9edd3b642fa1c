"""Taking clusters off their hosts: all that is ours and nothing else, in a safe order, also when it
is killed anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from kanae.errors import Refused
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.spec.models import Role, Spec

from .fixtures import EXAMPLES, Desk, ancestors, document_of, example
from .machine import SimUnit
from .settled import unsettled
from .simulator import Moments, Simulator
from .world import World

# What somebody else has on every host: files beside ours, a service, a cluster of another kanae.
FOREIGN = {
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/haproxy/haproxy.cfg": "somebody's",
    "/etc/kanae/balancer-other.cfg": "another cluster's",
    "/etc/systemd/system/other.service": "somebody's",
    f"{at.UNITS}/kanae-balancer-other.service": "another cluster's",
    "/var/lib/postgresql/data": "precious",
    "/opt/program": "somebody's",
    "/etc/cni/net.d/87-podman-bridge.conflist": "podman's",
    "/opt/cni/bin/dnsname": "podman's",
    "/var/lib/cni/networks/podman/10.88.0.2": "podman's",
    "/etc/kubernetes/audit-policy.yaml": "somebody's",
}
SERVICES = ("other.service", "kanae-balancer-other.service")


@cache
def _built(name: str) -> World:
    sim = Simulator(World.bare(Desk.of(example(name))))
    for host in sim.world.hosts.values():
        for path, text in FOREIGN.items():
            host.write(path, text)
        for service in SERVICES:
            host.units[service] = SimUnit(enabled=True, active=True)
    sim.converge()
    return sim.world


@pytest.fixture
def built() -> Callable[[str], Simulator]:
    """A cluster of an example among things of other people, copied for each test."""
    return lambda name: Simulator(_taken_down(_built(name).copy()))


def _taken_down(world: World) -> World:
    """What is watched in a living cluster does not hold in one that goes away on purpose."""
    world.resetting = True
    return world


def reset(sim: Simulator, *, keep_artifacts: bool = False) -> None:
    result = sim.carry_out(sim.reset_plan(keep_artifacts=keep_artifacts))
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)


def left(world: World) -> Iterator[str]:
    """What is still there of the cluster, and what is gone of other people's."""
    for name, host in world.hosts.items():
        files = {path for path, file in host.files.items() if file.kind == "file"}
        yield from (f"{name}: {path}" for path in sorted(files - FOREIGN.keys()))
        yield from (f"{name}: {path} is gone" for path in sorted(FOREIGN.keys() - files))
        yield from (f"{name}: {path} changed" for path, text in FOREIGN.items()
                    if path in files and host.text(path) != text)  # fmt: skip
        yield from (f"{name}: unit {unit}" for unit in sorted(host.units.keys() - set(SERVICES)))
        yield from (f"{name}: {service} stopped" for service in SERVICES
                    if not host.active(service))  # fmt: skip
        yield from (f"{name}: pod {pod}" for pod in host.pods)
        yield from (f"{name}: image {image}" for image in host.images)
    yield from world.violations


def begin_anew(world: World) -> Simulator:
    """The same hosts, watched from now on as those of a new cluster."""
    world.resetting = world.served = world.quorate = False
    world.objects.clear()
    for record in (world.authorities, world.inits, world.joins, world.been_up, world.most_down):
        record.clear()
    return Simulator(world)


@pytest.mark.parametrize("name", EXAMPLES)
def test_all_that_is_ours_goes_nothing_else_does_and_a_second_apply_builds_it_again(
    built: Callable[[str], Simulator], name: str
) -> None:
    sim = built(name)
    reset(sim)
    assert list(left(sim.world)) == []
    assert sim.reset_plan().empty
    again = begin_anew(sim.world)
    again.converge()
    assert unsettled(again.world) == []


def test_what_a_spec_that_was_edited_and_not_applied_no_longer_wants_goes_too(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    document = document_of("reference")
    document["loadBalancer"]["kind"] = "haproxy"
    sim.world.edit(Spec.model_validate(document))
    reset(sim)
    assert list(left(sim.world)) == []


@pytest.mark.parametrize("answers", [True, False], ids=["answers", "is dead"])
@pytest.mark.parametrize(
    ("name", "host"), [("vip", "worker2"), ("vip", "lb2"), ("reference", "server5")]
)
def test_a_host_that_was_taken_out_of_the_spec_and_has_not_left_goes_with_the_cluster(
    built: Callable[[str], Simulator], name: str, host: str, answers: bool
) -> None:
    sim = built(name)
    document = document_of(name)
    del document["hosts"][host]
    sim.world.edit(Spec.model_validate(document))
    if not answers:
        sim.world.hosts[host].power_cut()
        assert any(host in note for note in sim.reset_plan().notes)
    reset(sim)
    assert {each for each in left(sim.world) if answers or not each.startswith(f"{host}:")} == set()


def test_kept_artifacts_need_not_be_sent_again(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    reset(sim, keep_artifacts=True)
    sending = [step for step in sim.plan() if isinstance(step.action, actions.DeliverBinaries)]
    loading = [step for step in sim.plan() if isinstance(step.action, actions.LoadImages)]
    assert sending == []
    assert loading == []
    again = begin_anew(sim.world)
    again.converge()
    assert unsettled(again.world) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_data_of_etcd_goes_only_when_every_control_plane_has_stopped(
    built: Callable[[str], Simulator], name: str
) -> None:
    sim = built(name)
    steps = dict(sim.reset_plan().by_id())
    masters = sim.world.spec.having(Role.CONTROL_PLANE)
    removals = [step for step in steps.values() if isinstance(step.action, actions.RemoveEtcd)]
    assert removals
    for step in removals:
        assert {f"{host}/stop/node" for host in masters} <= ancestors(steps, step.id)
    for step in steps.values():
        if isinstance(step.action, actions.RemoveCluster) and step.host in masters:
            assert f"{step.host}/stop/node" in ancestors(steps, step.id)


def test_a_control_plane_that_does_not_stop_keeps_all_data_of_etcd(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    result = sim.carry_out(sim.reset_plan(), Moments(cut=("server2", 1)))
    assert result is not None
    assert not result.ok
    for host in ("server1", "server3"):
        assert sim.world.hosts[host].has("/var/lib/etcd/member")


def test_hosts_of_another_cluster_are_refused_and_bare_ones_left_alone(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    sim.world.hosts["server2"].write(marks.path(marks.CLUSTER), "other", 0o600)
    with pytest.raises(Refused, match="server2 belongs to the cluster 'other'"):
        sim.reset_plan()
    sim.world.hosts["server2"].remove(marks.path(marks.CLUSTER))
    assert "server2" not in {step.host for step in sim.reset_plan()}


@pytest.mark.parametrize(("name", "every"), [("single", 2), ("reference", 17), ("vip", 17)])
@pytest.mark.parametrize("kind", ["record", "effect"])
def test_killed_anywhere_a_second_reset_ends_it_and_no_apply_builds_upon_half_of_it(
    built: Callable[[str], Simulator], name: str, every: int, kind: str
) -> None:
    sim = built(name)
    taken: list[World] = []

    def seen(what: str) -> None:
        if what == kind:
            taken.append(sim.world.copy())

    result = sim.carry_out(sim.reset_plan(), Moments(seen=seen))
    assert result is not None
    assert result.ok
    halves = 0
    for number, world in enumerate(taken[::every]):
        half = Simulator(world)
        stopped = any(host.marked("resetting") for host in world.hosts.values())
        if stopped:
            halves += 1
            with pytest.raises(Refused, match="reset"):
                half.plan()
        reset(half)
        assert list(left(world)) == [], number
        again = begin_anew(world)
        again.converge()
        assert unsettled(again.world) == [], number
    assert halves


def test_two_clusters_behind_one_balancer_go_one_without_the_other(
    built: Callable[[str], Simulator],
) -> None:
    """Both on their own hosts and on the balancer host that they share."""
    ours, other = built("two-clusters-a").world, built("two-clusters-b").world
    [lb] = set(ours.hosts) & set(other.hosts)
    for path, file in other.hosts[lb].files.items():
        ours.hosts[lb].files.setdefault(path, file)
    ours.hosts[lb].units = {**other.hosts[lb].units, **ours.hosts[lb].units}
    ours.hosts[lb].packages |= other.hosts[lb].packages
    sim = Simulator(ours)
    reset(sim)
    unit = units.balancer(other.spec.name)
    assert ours.hosts[lb].active(unit)
    kept = [path for path in other.hosts[lb].files if other.spec.name in path]
    assert kept
    assert ours.hosts[lb].has(*kept)
