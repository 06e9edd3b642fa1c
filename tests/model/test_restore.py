"""Restoring a cluster: in a safe order, whole whatever was lost and wherever a run was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from kanae.errors import Refused
from kanae.facts.model import ObjectKey
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.attempt import STEP, Attempt, aside, chosen
from kanae.plan.etcd import member_folder
from kanae.plan.model import Plan
from kanae.plan.pki import AUTHORITIES
from kanae.plan.saved import Saved
from kanae.spec.models import EtcdTopology, Role, Spec

from .fixtures import Desk, ancestors, document_of
from .settled import unsettled
from .simulator import Moments, Simulator, whole_world
from .world import World

CLUSTERS = ("single", "reference", "three-machines", "dedicated-etcd")
BEFORE = ObjectKey("configmaps", "default", "before")
SINCE = ObjectKey("configmaps", "default", "since")


def lived(name: str) -> tuple[Simulator, Saved]:
    """A cluster with something written before its backup and something since."""
    sim = Simulator(whole_world(name).copy())
    sim.world.objects[BEFORE] = {"metadata": {"name": "before"}}
    backup = sim.world.save("/none/snapshot.db")
    sim.world.objects[SINCE] = {"metadata": {"name": "since"}}
    # What is watched in a living cluster does not hold in one that stops on purpose.
    sim.world.resetting = True
    return sim, backup


def wipe(world: World) -> None:
    """Every member's disk at once."""
    for host in world.spec.etcd_hosts:
        here = world.hosts[host]
        if world.external:
            here.stop(units.ETCD)
        here.pods.pop("etcd", None)
        here.remove(str(world.spec.etcd.data_dir))


def one_is_left(world: World) -> None:
    """Of three members, two have lost their disks."""
    for host in world.spec.etcd_hosts[1:]:
        here = world.hosts[host]
        if world.external:
            here.stop(units.ETCD)
        here.pods.pop("etcd", None)
        here.remove(member_folder(world.spec))


def deleted(world: World) -> None:
    """Somebody deletes what is needed, in a cluster that is well."""
    world.objects.pop(BEFORE)


def restored(sim: Simulator, backup: Saved) -> None:
    """Carried out to its end, after which the cluster is as it was and nothing is left to do."""
    result = sim.carry_out(sim.restore_plan(backup))
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)
    as_it_was(sim)


def as_it_was(sim: Simulator) -> None:
    world = sim.world
    assert BEFORE in world.objects
    assert SINCE not in world.objects
    assert set(world.members) == set(world.spec.etcd_hosts)
    assert len({world.held(host) for host in world.spec.etcd_hosts}) == 1
    assert world.violations == []
    assert sim.plan().empty, [step.id for step in sim.plan()]
    world.objects.pop(BEFORE)
    assert unsettled(world) == []


@pytest.mark.parametrize("lost", [wipe, one_is_left, deleted])
@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_is_as_it_was_when_its_backup_was_taken(
    name: str, lost: Callable[[World], None]
) -> None:
    sim, backup = lived(name)
    lost(sim.world)
    restored(sim, backup)


@pytest.mark.parametrize(
    ("name", "every"),
    [("single", 2), ("reference", 17), ("three-machines", 17), ("dedicated-etcd", 23)],
)
@pytest.mark.parametrize(("lost", "kind"), [(wipe, "effect"), (deleted, "record")])
def test_killed_anywhere_the_same_command_ends_it_and_no_apply_goes_between(
    name: str, every: int, lost: Callable[[World], None], kind: str
) -> None:
    sim, backup = lived(name)
    lost(sim.world)
    taken: list[World] = []

    def seen(what: str) -> None:
        if what == kind:
            taken.append(sim.world.copy())

    result = sim.carry_out(sim.restore_plan(backup), Moments(seen=seen))
    assert result is not None
    assert result.ok
    halves = 0
    for number, world in enumerate(taken[::every]):
        half = Simulator(world)
        if any(host.marked(marks.RESTORING) for host in world.hosts.values()):
            halves += 1
            with pytest.raises(Refused, match="was begun and has not ended"):
                half.plan()
        elif any(host.marked(marks.RESTORED) for host in world.hosts.values()):
            # It has ended: the same command would begin another one.
            continue
        restored(half, backup)
        assert len(world.restored) == 1, number
    assert halves


def test_what_has_been_written_after_the_api_came_back_is_not_lost_by_going_on() -> None:
    sim, backup = lived("reference")
    wipe(sim.world)
    later = ObjectKey("configmaps", "default", "later")
    plan = sim.restore_plan(backup)
    last: list[World] = []

    def seen(_: str) -> None:
        if sim.world.ready_hosts() and sim.world.holding:
            last.append(sim.world.copy())

    sim.carry_out(plan, Moments(seen=seen))
    for world in last[:: max(1, len(last) // 20)]:
        if not any(host.marked(marks.RESTORING) for host in world.hosts.values()):
            continue
        world.objects[later] = {}
        half = Simulator(world)
        result = half.carry_out(half.restore_plan(backup))
        assert result is not None
        assert result.ok
        assert later in world.objects


@pytest.mark.parametrize("name", CLUSTERS)
def test_no_data_is_touched_before_everybody_has_stopped(name: str) -> None:
    sim, backup = lived(name)
    steps = dict(sim.restore_plan(backup).by_id())
    fences = {id_ for id_, step in steps.items() if isinstance(step.action, actions.Fence)}
    prepared = {id_ for id_, step in steps.items()
                if isinstance(step.action, actions.RestoreSnapshot)}  # fmt: skip
    masters = set(sim.world.spec.having(Role.CONTROL_PLANE))
    assert {steps[id_].host for id_ in fences} == masters | set(sim.world.spec.etcd_hosts)
    assert {steps[id_].host for id_ in prepared} == set(sim.world.spec.etcd_hosts)
    for id_, step in steps.items():
        before = ancestors(steps, id_)
        if isinstance(step.action, actions.Fence):
            assert prepared <= before
        if isinstance(step.action, actions.ReplaceData):
            assert fences <= before


def test_processes_of_pods_on_workers_are_left_alone() -> None:
    sim, backup = lived("vip")
    workers = [host for host in sim.world.spec.having(Role.WORKER)
               if host not in sim.world.spec.having(Role.CONTROL_PLANE)]  # fmt: skip
    sim.world.forget()
    restored(sim, backup)
    for host in workers:
        told = sim.world.hosts[host].log
        assert {line.split()[1] for line in told} == {units.KUBELET, "kube-proxy", "kube-flannel"}


def test_a_second_restore_of_the_same_file_raises_the_revision_further() -> None:
    sim, backup = lived("reference")
    restored(sim, backup)
    sim.world.save("/none/snapshot.db")
    sim.world.objects[SINCE] = {}
    first = set(sim.world.restored)
    result = sim.carry_out(sim.restore_plan(backup))
    assert result is not None
    assert result.ok
    [second] = set(sim.world.restored) - first
    bumps = [step.action.bump for step in sim.restore_plan(backup)
             if isinstance(step.action, actions.RestoreSnapshot)]  # fmt: skip
    assert set(bumps) == {3 * STEP}
    assert second.endswith("-2")
    data = str(sim.world.spec.etcd.data_dir)
    for attempt in (*first, second):
        assert sim.world.hosts["server1"].has(aside(data, attempt))


def test_the_revision_is_far_above_every_one_that_was_seen() -> None:
    sim, backup = lived("reference")
    facts = sim.world.facts()
    etcd = facts.hosts["server1"].etcd
    assert etcd is not None
    for live, steps in ((1, 1), (2, 2), (STEP, 2), (STEP + 1, 2), (5 * STEP, 6)):
        here = replace(facts.hosts["server1"], etcd=replace(etcd, revision=live))
        view = sim.world.desk.view(replace(facts, hosts={**facts.hosts, "server1": here}))
        assert chosen(view, backup).bump == steps * STEP, live
        assert chosen(view, backup).reached > live + STEP // 2


def test_a_mark_that_a_disk_has_spoilt_still_says_that_a_restore_was_begun() -> None:
    sim, _ = lived("single")
    next(iter(sim.world.hosts.values())).mark(marks.RESTORING, '{"snapshot": 3')
    with pytest.raises(Refused, match="was begun"):
        sim.plan()


def test_a_host_that_is_no_more_leaves_its_node_behind_and_it_goes() -> None:
    """It was there when the backup was taken, and was removed since."""
    sim, backup = lived("vip")
    sim.world.resetting = False
    document = document_of("vip")
    gone = "worker2"
    del document["hosts"][gone]
    sim.world.edit(Spec.model_validate(document))
    result = sim.apply()
    assert result is not None
    assert result.ok
    sim.world.resetting = True
    assert gone not in sim.world.nodes
    result = sim.carry_out(sim.restore_plan(backup))
    assert result is not None
    assert result.ok
    assert gone not in sim.world.nodes
    sim.converge()


def test_a_host_that_joined_since_is_let_in_again_by_an_apply() -> None:
    """What the backup holds says which hosts may register."""
    document = document_of("vip")
    sim = Simulator(whole_world("vip").copy())
    sim.world.objects[BEFORE] = {}
    backup = sim.world.save("/none/snapshot.db")
    network = document["hosts"]["worker1"]["address"].rpartition(".")[0]
    document["hosts"]["worker9"] = {"address": f"{network}.99", "roles": ["worker"]}
    sim.world.edit(Spec.model_validate(document))
    result = sim.apply()
    assert result is not None
    assert result.ok
    sim.world.resetting = True
    plan = sim.restore_plan(backup)
    assert any("worker9" in note for note in plan.notes)
    result = sim.carry_out(plan)
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)
    sim.converge()
    assert "worker9" in sim.world.nodes


@pytest.mark.parametrize("name", ["reference", "three-machines"])
def test_hosts_without_power_take_no_part_when_that_is_said(name: str) -> None:
    sim, backup = lived(name)
    masters = sim.world.spec.etcd_hosts
    for host in masters[1:]:
        sim.world.hosts[host].power_cut()
    with pytest.raises(Refused, match=f"{masters[1]}, {masters[2]} cannot be reached"):
        sim.restore_plan(backup)
    plan = sim.restore_plan(backup, *masters[1:])
    assert {step.host for step in plan} & set(masters[1:]) == set()
    result = sim.carry_out(plan)
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)
    assert set(sim.world.members) == {masters[0]}
    assert BEFORE in sim.world.objects
    assert SINCE not in sim.world.objects
    assert sim.world.violations == []


def test_a_worker_that_does_not_answer_is_named_and_takes_no_part() -> None:
    sim, backup = lived("vip")
    sim.world.hosts["worker2"].power_cut()
    plan = sim.restore_plan(backup)
    assert "worker2" not in {step.host for step in plan}
    [note] = [note for note in plan.notes if "worker2" in note]
    assert "cannot be reached" in note
    assert "Boot it when it is back" in note
    result = sim.carry_out(plan)
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)
    assert BEFORE in sim.world.objects


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"cluster": "other"}, "of the cluster 'other'"),
        ({"identity": "0" * 32}, "of another cluster called"),
        ({"etcd": "3.5.21"}, "same minor version"),
        ({"topology": "stacked"}, "stacked etcd"),
    ],
)
def test_what_does_not_belong_here_is_refused(changed: dict[str, object], why: str) -> None:
    sim, backup = lived("reference")
    with pytest.raises(Refused, match=why):
        sim.restore_plan(replace(backup, **changed))  # pyright: ignore[reportArgumentType]


def test_one_that_answers_is_not_off() -> None:
    sim, backup = lived("reference")
    with pytest.raises(Refused, match="is said to be off, and answers"):
        sim.restore_plan(backup, "server2")


def test_a_disk_without_room_is_told_before_anything_stops() -> None:
    sim, backup = lived("reference")
    here = sim.world.hosts["server2"]
    here.base = replace(here.base, disks={"/var/lib": (10**6, 10**9)})
    with pytest.raises(Refused, match="server2 has 1 MB left"):
        sim.restore_plan(backup)


def test_a_host_that_leaves_stops_for_good() -> None:
    sim, backup = lived("reference")
    document = document_of("reference")
    del document["hosts"]["server3"]
    sim.world.edit(Spec.model_validate(document))
    result = sim.carry_out(sim.restore_plan(backup))
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)
    left = sim.world.hosts["server3"]
    assert not left.active(units.ETCD)
    assert not left.unit(units.ETCD).enabled
    assert "kube-apiserver" not in left.pods
    assert set(sim.world.members) == {"server1", "server2"}


def test_attempts_are_told_apart() -> None:
    one = Attempt("ab" * 32, 7, STEP, "now")
    other = replace(one, bump=2 * STEP)
    assert one.id != other.id
    assert one.reached == 7 + STEP


def titles(plan: Plan) -> list[str]:
    return [step.title for step in plan]


def test_what_is_lost_is_said_first_and_saved() -> None:
    sim, backup = lived("reference")
    plan = sim.restore_plan(backup)
    assert "goes back to 2026-07-01T12:00:00Z" in plan.notes[0]
    assert any("0 changes were made since" in note for note in plan.notes)
    assert any(isinstance(step.action, actions.SaveSnapshot) for step in plan)
    wipe(sim.world)
    assert not any(
        isinstance(step.action, actions.SaveSnapshot) for step in sim.restore_plan(backup)
    )


def test_stacked_and_external_etcd_stop_by_what_runs_them() -> None:
    for name in CLUSTERS:
        sim, backup = lived(name)
        stacked = sim.world.spec.etcd_topology is EtcdTopology.STACKED
        for step in sim.restore_plan(backup):
            if isinstance(step.action, actions.Fence):
                assert ("etcd" in step.action.pods) == stacked
                assert step.action.etcd == (
                    not stacked and (step.host or "") in sim.world.spec.etcd_hosts
                )
    assert at.FENCED.startswith(at.KUBERNETES)


@pytest.fixture
def backup_folder(tmp_path: Path) -> Path:
    """The small files of a backup, as they lie while it is restored."""
    return tmp_path


def in_folder(world: World, folder: Path) -> None:
    for public, private in AUTHORITIES.values():
        for path in (public, private):
            holder = next(host for host in world.hosts.values() if host.has(path))
            there = folder / path.removeprefix(f"{at.KUBERNETES}/")
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(holder.text(path))


def blank(world: World, hosts: Iterable[str]) -> None:
    """The same machines, installed anew."""
    for host in hosts:
        world.add_host(host)
        world.members.pop(host, None)
        world.started.discard(host)


def gone_with_its_masters(name: str, folder: Path) -> tuple[Simulator, Saved]:
    sim, backup = lived(name)
    in_folder(sim.world, folder)
    blank(sim.world, sim.world.spec.having(Role.CONTROL_PLANE))
    return sim, replace(backup, folder=str(folder))


def rebuilt(sim: Simulator, backup: Saved) -> None:
    """As `kanae restore` does it."""
    if not any(sim.world.hosts[host].marked(marks.JOINED)
               for host in sim.world.spec.having(Role.CONTROL_PLANE)):  # fmt: skip
        result = sim.carry_out(sim.rebuild_plan(backup))
        assert result is not None
        assert result.ok, result.failure(sim.values.redactor)
    result = sim.carry_out(sim.restore_plan(backup))
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)


@pytest.mark.parametrize("name", CLUSTERS)
def test_all_masters_are_lost_and_come_back_blank(name: str, backup_folder: Path) -> None:
    sim, backup = gone_with_its_masters(name, backup_folder)
    before = dict(sim.world.authorities)
    sim.world.forget()
    rebuilt(sim, backup)
    assert sim.world.authorities == before
    sim.converge()
    world = sim.world
    assert BEFORE in world.objects
    assert SINCE not in world.objects
    assert set(world.members) == set(world.spec.etcd_hosts)
    assert world.violations == []
    assert len(world.restored) == 1


@pytest.mark.parametrize(
    ("name", "every"), [("single", 9), ("reference", 90), ("dedicated-etcd", 120)]
)
def test_killed_anywhere_while_it_is_built_again_the_same_command_ends_it(
    name: str, every: int, backup_folder: Path
) -> None:
    sim, backup = gone_with_its_masters(name, backup_folder)
    taken: list[World] = []

    def seen(what: str) -> None:
        if what == "effect":
            taken.append(sim.world.copy())

    result = sim.carry_out(sim.rebuild_plan(backup), Moments(seen=seen))
    assert result is not None
    assert result.ok
    for number, world in enumerate(taken[::every]):
        half = Simulator(world)
        rebuilt(half, backup)
        half.converge()
        assert BEFORE in world.objects, number
        assert SINCE not in world.objects, number
        assert world.violations == [], number


def test_keys_of_encryption_come_back_before_an_api_server_starts(backup_folder: Path) -> None:
    document = document_of("single")
    path = "/etc/kubernetes/encryption.yaml"
    document["apiServer"] = {"extraArgs": {"encryption-provider-config": path}}
    sim = Simulator(World.bare(Desk.of(Spec.model_validate(document))))
    sim.converge()
    backup = sim.world.save("/none/snapshot.db")
    in_folder(sim.world, backup_folder)
    blank(sim.world, sim.world.spec.having(Role.CONTROL_PLANE))
    steps = dict(sim.rebuild_plan(replace(backup, folder=str(backup_folder))).by_id())
    [keys] = [step for step in steps.values() if isinstance(step.action, actions.PlaceKeys)]
    assert isinstance(keys.action, actions.PlaceKeys)
    assert keys.action.path == path
    [init] = [id_ for id_, step in steps.items() if isinstance(step.action, actions.KubeadmInit)]
    assert keys.id in ancestors(steps, init)
