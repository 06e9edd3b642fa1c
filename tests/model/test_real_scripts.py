"""What a simulated action does is what the real script does.

Hosts as they are before the steps of many runs, whole ones and ones that go on where another was
killed, are made into folders; the real handlers act upon them through a real shell. Afterwards
folder and simulated host must be in the same state, and both must have ended well or neither.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from kanae.artifacts.archives import Archives
from kanae.errors import HostError, Refused
from kanae.execute.actions import handlers
from kanae.execute.actions.authorities import remember
from kanae.execute.actions.kubeadm import TOKEN
from kanae.execute.context import Handler, StepContext
from kanae.execute.events import Outcome
from kanae.execute.values import Values
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import (
    AddMember,
    ClearNode,
    Converge,
    DeleteNode,
    DrainNode,
    EndRestore,
    Fence,
    KubeadmInit,
    KubeadmJoin,
    MoveLeader,
    PromoteMember,
    ReconfigureControlPlane,
    ReconfigureKubelet,
    ReleaseVolumes,
    RemoveCluster,
    RemoveEtcd,
    RemoveMember,
    ReplaceData,
    RestoreSnapshot,
    SaveSnapshot,
    StopApiServer,
    StopNode,
    Unfence,
)
from kanae.plan.model import Action, Step
from kanae.spec.models import Balancer, Role, Spec

from .effects import EFFECTS
from .effects.base import STATIC_PODS, documents
from .effects.kubeadm import CA, etcd_manifest, local_server, server_of, stored
from .effects.node import (
    issued_by_kubeadm,
    kubelet_client,
    kubelet_conf,
    kubelet_config,
    manifest,
    member,
    serving,
)
from .fixtures import BASES, SNAPSHOT, Desk, document_of
from .real_host import RealHost, RealHosts, State, membership, programs, words
from .simulator import Moments, Simulator
from .world import Object, World

# Those of the cluster, not of a host: members of etcd and nodes.
MEMBERSHIP: Final = frozenset(
    {
        AddMember,
        DeleteNode,
        DrainNode,
        MoveLeader,
        PromoteMember,
        ReleaseVolumes,
        RemoveMember,
    }
)
# Those whose scripts decide something upon what they find on the host.
DECIDE: Final = MEMBERSHIP | frozenset(
    {
        Converge,
        KubeadmInit,
        KubeadmJoin,
        ClearNode,
        ReconfigureControlPlane,
        ReconfigureKubelet,
        StopApiServer,
        StopNode,
        RemoveEtcd,
        RemoveCluster,
        SaveSnapshot,
        RestoreSnapshot,
        Fence,
        ReplaceData,
        Unfence,
        EndRestore,
    }
)
GUARDED: Final = (KubeadmInit, KubeadmJoin, ClearNode)
# Nothing joins a single host.
OF_SEVERAL: Final = frozenset({KubeadmJoin, ClearNode})
TRACES: Final = (
    at.KUBELET_CONF,
    at.BOOTSTRAP_KUBELET_CONF,
    at.KUBELET_CONFIG,
    *(f"{at.MANIFESTS}/{pod}.yaml" for pod in (*STATIC_PODS, "etcd")),
)
HANDLERS: Final = handlers({}, Archives(Path("/none")))


@dataclass(frozen=True, slots=True)
class Case:
    """A step, and the world as it is just before it."""

    step: Step
    world: World

    @property
    def key(self) -> str:
        """Equal for cases that are the same for the host."""
        host = self.world.hosts[self.step.host or ""]
        state = (self.step.action, sorted(host.files.items()), sorted(host.units.items()),
                 sorted(host.pods.items()), self.world.endpoint_answers())  # fmt: skip
        if type(self.step.action) in MEMBERSHIP:
            state = (self.step.action, host.name, membership(self.world), self.world.healthy(),
                     self.world.nodes, self.world.budgets)  # fmt: skip
        return hashlib.sha256(repr(state).encode()).hexdigest()


@dataclass(slots=True)
class Recording(Simulator):
    """A simulator that keeps the world before every step."""

    cases: list[Case] = field(default_factory=list[Case])

    def handlers(self) -> Mapping[type[Action], Handler]:
        def recorded(handler: Handler) -> Handler:
            async def run(ctx: StepContext) -> Outcome:
                if type(ctx.step.action) in DECIDE:
                    self.cases.append(Case(ctx.step, self.world.copy()))
                return await handler.run(ctx)

            return replace(handler, run=run)

        # Not super(): a dataclass with slots is another class than the one that was written.
        return {kind: recorded(each) for kind, each in Simulator.handlers(self).items()}


def moments(world: World, *, reset: bool = False) -> list[World]:
    """The world after every effect of a run from here."""
    taken: list[World] = []
    sim = Simulator(world.copy())

    def seen(what: str) -> None:
        if what == "effect":
            taken.append(sim.world.copy())

    sim.carry_out(sim.reset_plan() if reset else sim.plan(), Moments(seen=seen))
    return [*taken, sim.world]


def half_joined(worlds: list[World]) -> list[World]:
    """One for every state of a host in the middle of its join, or of what clears it away."""
    found: dict[tuple[object, ...], World] = {}
    for world in worlds:
        for name in world.spec.nodes:
            host = world.hosts[name]
            paths = tuple(path for path in (*TRACES, marks.path(marks.CLEARING), CA)
                          if host.has(path))  # fmt: skip
            begun = any(path != CA for path in paths) and not host.marked(marks.JOINED)
            if begun and not host.marked(marks.INIT_STARTED):
                key = (Role.CONTROL_PLANE in world.spec.hosts[name].roles, paths)
                found.setdefault(key, world)
    return list(found.values())


def steps(world: World, *, reset: bool = False) -> list[Case]:
    """Those of one run, from here to its end."""
    sim = Recording(world.copy())
    # An apply is refused where a reset has begun.
    with suppress(Refused):
        sim.carry_out(sim.reset_plan() if reset else sim.plan())
    return sim.cases


def edits(spec: Spec) -> Iterator[Spec]:
    document = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    other = Balancer.NGINX if spec.load_balancer.kind is Balancer.HAPROXY else Balancer.HAPROXY
    balancer = {**document.get("loadBalancer", {}), "kind": other.value}
    for change in (
        {"apiServer": {"certSans": ["api.example.org"]}},
        {"kubelet": {"maxPods": 99}},
        {"loadBalancer": balancer},
    ):
        yield Spec.model_validate(document | change)


def disturbed(world: World) -> Iterator[World]:
    """Somebody has stopped or disabled a unit, or a reload was due when a run was killed."""
    where = {unit: name for name, host in world.hosts.items()
             for unit, held in host.units.items() if held.active}  # fmt: skip
    for unit, name in where.items():
        stopped, disabled, marked = world.copy(), world.copy(), world.copy()
        stopped.hosts[name].stop(unit)
        disabled.hosts[name].units[unit] = replace(world.hosts[name].unit(unit), enabled=False)
        marked.hosts[name].mark(f"{marks.RELOAD}{unit}")
        yield from (stopped, disabled, marked)


def cases(name: str, every: int, snapshot: Path) -> list[Case]:
    """Every one that is not like another, of whole runs, of runs that go on where another was
    killed after every so manieth effect, and of those after an edit."""
    bare = World.bare(Desk.of(Spec.model_validate(document_of(name))), BASES["v1"])
    all_ = moments(bare)
    whole = all_[-1]
    found = steps(bare)
    for world in all_[::every]:
        found += [*steps(world), *steps(world, reset=True)]
    halves = half_joined(all_)
    clearing = half_joined([each for half in halves for each in moments(half)[::3]])
    for world in (*halves, *clearing):
        found += steps(world)
    for spec in edits(whole.spec):
        edited = whole.copy()
        edited.edit(spec)
        for world in (edited, *moments(edited)[::every]):
            found += steps(world)
    for world in moments(whole, reset=True)[::every]:
        found += steps(world, reset=True)
    for world in disturbed(whole):
        found += steps(world)
    # What an earlier run left running on a host has joined it after this one was planned.
    once = {type(case.step.action): case.step for case in found}
    found += [*of_members(whole), *of_nodes(whole), *of_restores(whole, snapshot)]
    found += [Case(once[kind], whole) for kind in GUARDED if kind in once]
    return list({case.key: case for case in found}.values())


def of_restores(whole: World, snapshot: Path) -> Iterator[Case]:
    """A whole one, and those that go on where one was killed."""
    snapshot.write_text(SNAPSHOT)
    world = whole.copy()
    backup = world.save(str(snapshot))
    world.resetting = True
    taken: list[World] = []
    sim = Recording(world)

    def seen(what: str) -> None:
        if what == "effect":
            taken.append(sim.world.copy())

    sim.carry_out(sim.restore_plan(backup), Moments(seen=seen))
    yield from sim.cases
    for half in taken[::5]:
        again = Recording(half)
        again.carry_out(again.restore_plan(backup))
        yield from again.cases


def _case(world: World, host: str, action: Action) -> Case:
    return Case(Step(f"{host}/x/{action}", host, "x", "", action, timeout=60.0), world)


def of_members(whole: World) -> Iterator[Case]:
    """One comes, goes, or leads, while all are well or one is dead, has left or only learns."""
    via, *others = whole.voters()
    last = others[-1] if others else via
    worlds = [whole.copy() for _ in range(6)]
    _, dead, gone, learns, starts, leads = worlds
    for world in (dead, starts) if others else ():
        world.hosts[last].power_cut()
    if others:
        gone.forget_member(last)
        learns.members[last] = starts.members[last] = False
        starts.started.discard(last)
    leads.leader = last
    for world in worlds:
        for host in {last, others[0] if others else via}:
            peer = whole.peer(host)
            for action in (MoveLeader(peer), AddMember(peer), PromoteMember(peer)):
                yield _case(world, via, action)
            for keep in (1, 2):
                yield _case(world, via, RemoveMember(peer, keep))


def of_nodes(whole: World) -> Iterator[Case]:
    via, node = whole.ready_hosts()[0], list(whole.nodes)[-1]
    dead, held, gone = (whole.copy() for _ in range(3))
    away = whole.copy()
    away.hosts[via].stop(units.CONTAINERD)
    yield from (_case(world, via, StopApiServer()) for world in (whole, away))
    held.budgets[node] = "web"
    if node != via:
        dead.hosts[node].power_cut()
        gone.nodes.pop(node)
    for world in (whole, dead, held, gone):
        for action in (DrainNode(node), ReleaseVolumes(node), DeleteNode(node)):
            yield _case(world, via, action)


def kubeadm_writes(world: World, real: RealHost, step: Step) -> None:
    """Give kubeadm the texts that it would make of its configuration and of the cluster's."""
    action, host = step.action, world.hosts[real.name]

    def control_plane(config: Object) -> dict[str, str | None]:
        return {f"{at.MANIFESTS}/{pod}.yaml": manifest(world, host, pod, config)
                for pod in STATIC_PODS}  # fmt: skip

    def stacked(config: Object) -> dict[str, str | None]:
        if world.external:
            return {}
        return {f"{at.MANIFESTS}/etcd.yaml": etcd_manifest(config), member(config): None}

    def kubelet(shared: Object) -> dict[str, str | None]:
        return {at.KUBELET_CONFIG: kubelet_config(host, shared)}

    match action:
        case KubeadmInit():
            docs = documents(action.config)
            config = docs["ClusterConfiguration"]
            files: dict[str, str | None] = {
                **issued_by_kubeadm(world, host.name, config, server_of(config), init=True),
                **kubelet_client(world, host.name),
                at.KUBELET_CONF: kubelet_conf(local_server(world, host.name)),
            }
            kubelet_ = kubelet(docs["KubeletConfiguration"])
            real.kubeadm_writes("init", files | control_plane(config) | stacked(config) | kubelet_)
        case KubeadmJoin():
            config = stored(world, 0)
            plane = action.control_plane
            leads = local_server(world, host.name) if plane else server_of(config)
            files = {at.KUBELET_CONF: kubelet_conf(leads), **kubelet_client(world, host.name)}
            if plane:
                leads = server_of(config)
                files |= issued_by_kubeadm(world, host.name, config, leads, init=False)
                files |= control_plane(config) | stacked(config)
            else:
                files[CA] = world.hosts[action.source].text(CA)
            real.kubeadm_writes("join", files | kubelet(stored(world, 1)))
        case ReconfigureControlPlane():
            config = documents(action.config)["ClusterConfiguration"]
            real.kubeadm_writes("certs", dict(serving(world, host.name, config)))
            real.kubeadm_writes("reconfigured", control_plane(config))
        case ReconfigureKubelet():
            real.kubeadm_writes("kubelet", kubelet(stored(world, 1)))
        case _:
            pass


def simulate(case: Case) -> tuple[State, World, str]:
    """How the simulated host and cluster are afterwards, and why the step failed, or ""."""
    world = case.world.copy()
    host = world.hosts[case.step.host or ""]
    host.log.clear()
    why = ""
    try:
        for _ in EFFECTS[type(case.step.action)](world, case.step, case.step.action):
            pass
    except HostError as error:
        why = str(error)
    return State.simulated(host), world, why


async def carry_out(case: Case, hosts: RealHosts, limit: float) -> str:
    """By the real handler, within `limit` seconds. Why it failed, or ""."""
    values = Values()
    values.put(TOKEN, "abcdef.0123456789abcdef")
    holders = [host for host in case.world.hosts.values() if host.has(CA)]
    if holders:
        remember(values, "ca", holders[0].text(CA), "")
    deadline = asyncio.get_running_loop().time() + limit
    context = StepContext(replace(case.step, timeout=limit), hosts, values, deadline)
    try:
        await HANDLERS[type(case.step.action)].run(context)
    except HostError as error:
        return str(error)
    return ""


async def compare(case: Case, folder: Path, path: Path) -> str:
    """What differs, or ""."""
    simulated, world, why = simulate(case)
    hosts = RealHosts(case.world, folder, path)
    real = hosts.real(case.step.host or "")
    kubeadm_writes(case.world, real, case.step)
    if "waited in vain" in why or "does not become ready" in why:
        real.flag("not-ready")
    # What only waits for others waits in vain here, so not for long.
    vain = why and type(case.step.action) in {*MEMBERSHIP, ClearNode}
    failed = await carry_out(case, hosts, 3.0 if vain else 60.0)
    real.look()
    state = real.state()
    differences = [
        f"{name}: simulated {getattr(simulated, name)}, really {getattr(state, name)}"
        for name in ("links", "units", "pods", "images", "packages", "sysctls", "log")
        if getattr(simulated, name) != getattr(state, name)
    ]
    # A real host has more folders than a simulated one knows of.
    known = State.simulated(case.world.hosts[real.name]).folders | simulated.folders
    differences += [f"folder {there}: simulated {there in simulated.folders}"
                    for there in sorted(known & (simulated.folders ^ state.folders))]  # fmt: skip
    for there in sorted(simulated.files.keys() | state.files.keys()):
        texts = [each.files.get(there, "(none)") for each in (simulated, state)]
        if texts[0] != texts[1]:
            differences.append(f"{there}: simulated {texts[0][:300]!r}, really {texts[1][:300]!r}")
    if type(case.step.action) in MEMBERSHIP:
        nodes = {name: words(node) for name, node in world.nodes.items()}
        both = [(membership(world), real.members()), (nodes, real.nodes())]
        differences += [f"simulated {is_}, really {was}" for is_, was in both if is_ != was]
    if bool(why) != bool(failed):
        differences.append(f"ended: simulated {why or 'well'}, really {failed or 'well'}")
    return "\n".join([f"{case.step.id}:", *differences]) if differences else ""


async def compared(cases: list[Case], folder: Path) -> list[str]:
    path = programs(folder / "bin")
    turns = asyncio.Semaphore(4)

    async def one(number: int, case: Case) -> str:
        async with turns:
            return await compare(case, folder / str(number), path)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(*each)) for each in enumerate(cases)]
    return [task.result() for task in tasks]


@pytest.mark.parametrize(
    ("name", "every"), [("single", 15), ("reference", 300), ("three-machines", 400)]
)
def test_what_a_simulated_action_does_is_what_the_real_script_does(
    name: str, every: int, tmp_path: Path
) -> None:
    found = cases(name, every, tmp_path / "snapshot.db")
    wrong = list(filter(None, asyncio.run(compared(found, tmp_path))))
    assert not wrong, f"{len(wrong)} of {len(found)}\n\n" + "\n\n".join(wrong[:10])
    assert {type(case.step.action) for case in found} >= DECIDE - (
        OF_SEVERAL if name == "single" else set()
    )
    verbs = {line.split()[0] for case in found for line in simulate(case)[0].log}
    assert verbs == {"start", "stop", "restart", "reload"}
